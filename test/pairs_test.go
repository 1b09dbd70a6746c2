//go:build qemu && soak

package test

// axis is one property of a machine, with the values that it can have.
type axis struct {
	name   string
	values []string
}

// pairwise returns few combinations of values, one of each axis, in which every pair of
// values of two axes occurs that occurs in a valid combination. It always returns the same:
// each time the first combination with most of the pairs that are left.
func pairwise(axes []axis, valid func(map[string]string) bool) (chosen []map[string]string) {
	type pair struct{ axis1, value1, axis2, value2 int }
	pairs := func(c []int) (list []pair) {
		for i := range c {
			for j := i + 1; j < len(c); j++ {
				list = append(list, pair{i, c[i], j, c[j]})
			}
		}
		return list
	}
	named := func(c []int) map[string]string {
		m := map[string]string{}
		for i, v := range c {
			m[axes[i].name] = axes[i].values[v]
		}
		return m
	}
	var all [][]int
	open := map[pair]bool{}
	for c := make([]int, len(axes)); c != nil; c = next(c, axes) {
		if valid(named(c)) {
			all = append(all, append([]int(nil), c...))
			for _, p := range pairs(c) {
				open[p] = true
			}
		}
	}
	for len(open) > 0 {
		best, most := 0, -1
		for k, c := range all {
			n := 0
			for _, p := range pairs(c) {
				if open[p] {
					n++
				}
			}
			if n > most {
				best, most = k, n
			}
		}
		for _, p := range pairs(all[best]) {
			delete(open, p)
		}
		chosen = append(chosen, named(all[best]))
	}
	return chosen
}

// next counts on, the last axis fastest. After the last combination it returns nil.
func next(c []int, axes []axis) []int {
	for i := len(c) - 1; i >= 0; i-- {
		if c[i]++; c[i] < len(axes[i].values) {
			return c
		}
		c[i] = 0
	}
	return nil
}
