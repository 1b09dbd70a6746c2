package main

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"slices"
)

// printCounts prints what the kernel executes for an operation on one CPU, and where its locked
// instructions are.
func printCounts(w io.Writer, windows []*window, names *symbols) error {
	fmt.Fprintf(w, "| operation | instructions | locked |\n|---|---:|---:|\n")
	for _, x := range windows {
		instructions, locked := x.costs()
		fmt.Fprintf(w, "| %s | %.1f | %.2f |\n", x.name, instructions, locked)
	}
	for _, x := range windows {
		pcs := slices.SortedFunc(maps.Keys(x.locks), func(a, b uint64) int {
			return cmp.Or(cmp.Compare(x.locks[b], x.locks[a]), cmp.Compare(a, b))
		})
		if err := names.look(pcs); err != nil {
			return err
		}
		fmt.Fprintf(w, "\n%s:\n", x.name)
		for _, pc := range pcs {
			if each := float64(x.locks[pc]) / float64(x.operations); each >= 0.05 {
				fmt.Fprintf(w, "  %.2f %s\n", each, names.places[pc])
			}
		}
	}
	return nil
}
