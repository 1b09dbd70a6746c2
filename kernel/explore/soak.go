//go:build explore && soak

package explore

// Bound returns the bound of a search: usual, or soak in builds with that tag.
func Bound[T any](usual, soak T) T { return soak }

// audited is how many runs without the reduction come before each search, to see
// whether the model keeps to the rules.
const audited = 50_000
