package main

import (
	"fmt"
	"slices"
	"strings"

	"muster/test/sysfuzz"
)

// narrow takes threads away, and then calls from both ends, while the run still fails.
func narrow(r run, fails func(run) bool) run {
	for half := true; half; { // the end first: what comes after the failure is useless
		half = false
		for _, to := range []uint64{r.from + (r.to-r.from)/8, r.from + (r.to-r.from)/2} {
			try := r
			try.to = to
			if to > r.from && fails(try) {
				r, half = try, true
				break
			}
		}
	}
	for i := range r.threads {
		try := r
		if try.mask &^= 1 << i; try.mask != r.mask && try.mask != 0 && fails(try) {
			r = try
		}
	}
	for step := (r.to - r.from) / 2; step > 0; step /= 2 {
		try := r
		if try.from += step; fails(try) {
			r = try
		}
		if step < 16 {
			break
		}
	}
	return r
}

// reduce takes calls away while the lists still break the kernel: all calls of some numbers,
// and then parts of each list. Both begin with many, and go on with fewer and fewer.
func reduce(lists [][]sysfuzz.Call, breaks func([][]sysfuzz.Call) bool) [][]sysfuzz.Call {
	left := numbers(lists)
	for size := (len(left) + 1) / 2; size > 0; size /= 2 {
		for at := 0; at < len(left); {
			group := left[at:min(at+size, len(left))]
			if try := without(lists, group); total(try) > 0 && breaks(try) {
				lists = try
				left = slices.Delete(left, at, at+len(group))
			} else {
				at += size
			}
		}
	}
	for i := range lists {
		for size := (len(lists[i]) + 1) / 2; size > 0; size /= 2 {
			for at := 0; at < len(lists[i]); {
				try := slices.Clone(lists)
				try[i] = slices.Delete(slices.Clone(lists[i]), at, min(at+size, len(lists[i])))
				if total(try) > 0 && breaks(try) {
					lists = try
				} else {
					at += size
				}
			}
		}
	}
	return lists
}

// without returns the lists without the calls of some numbers.
func without(lists [][]sysfuzz.Call, numbers []uint64) [][]sysfuzz.Call {
	rest := make([][]sysfuzz.Call, len(lists))
	for i, list := range lists {
		rest[i] = slices.DeleteFunc(slices.Clone(list), func(c sysfuzz.Call) bool { return slices.Contains(numbers, c.Number) })
	}
	return rest
}

// numbers returns the numbers of the calls, the most frequent last: they are the likely ones.
func numbers(lists [][]sysfuzz.Call) (list []uint64) {
	count := map[uint64]int{}
	for _, l := range lists {
		for _, c := range l {
			count[c.Number]++
		}
	}
	for n := range count {
		list = append(list, n)
	}
	slices.SortFunc(list, func(a, b uint64) int {
		if count[a] != count[b] {
			return count[a] - count[b]
		}
		return int(int64(a - b))
	})
	return list
}

func total(lists [][]sysfuzz.Call) (n int) {
	for _, l := range lists {
		n += len(l)
	}
	return n
}

// source is the Go file of lists.
func source(r run, lists [][]sysfuzz.Call) string {
	var b strings.Builder
	fmt.Fprintf(&b, "package main\n\nimport \"muster/test/sysfuzz\"\n\n")
	if r.threads > 0 {
		fmt.Fprintf(&b, "// %d calls that break the kernel. In place of test/testdata/sysfuzz/list.go, with the\n// arguments %d %d 1000000; the first decides what the pointers point to.\n", total(lists), r.seed, r.threads)
	}
	fmt.Fprintf(&b, "var list = [][]sysfuzz.Call{\n")
	for _, l := range lists {
		fmt.Fprintf(&b, "\t{\n")
		for _, c := range l {
			fmt.Fprintf(&b, "\t\t{Number: %#x, Args: [6]uint64{", c.Number)
			for i, a := range c.Args {
				if i > 0 {
					fmt.Fprint(&b, ", ")
				}
				fmt.Fprintf(&b, "%#x", a)
			}
			fmt.Fprintf(&b, "}, Script: %#x}, // %s\n", c.Script, sysfuzz.Name(c.Number))
		}
		fmt.Fprintf(&b, "\t},\n")
	}
	fmt.Fprintf(&b, "}\n")
	return b.String()
}
