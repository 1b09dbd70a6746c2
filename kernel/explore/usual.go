//go:build explore && !soak

package explore

// Bound returns the bound of a search: usual, or soak in builds with that tag.
func Bound[T any](usual, soak T) T { return usual }

// audited is the number of runs without the reduction before each search.
const audited = 0
