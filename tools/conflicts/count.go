package main

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
)

// printCounts prints what the kernel executes for an operation on one CPU, and where its locked
// instructions are, or with functions where all are.
func printCounts(w io.Writer, windows []*window, names *symbols, functions bool) error {
	fmt.Fprintf(w, "| operation | instructions | locked |\n|---|---:|---:|\n")
	for _, x := range windows {
		instructions, locked := x.costs()
		fmt.Fprintf(w, "| %s | %.1f | %.2f |\n", x.name, instructions, locked)
	}
	for _, x := range windows {
		if functions {
			if err := x.printFunctions(w, names); err != nil {
				return err
			}
			continue
		}
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

// printFunctions prints which functions execute how many instructions of an operation. One that is inlined
// counts for the function that it is in.
func (w *window) printFunctions(out io.Writer, names *symbols) error {
	if err := names.look(slices.Collect(maps.Keys(w.code))); err != nil {
		return err
	}
	by := map[string]uint64{}
	for pc, times := range w.code {
		function, _, _ := strings.Cut(names.places[pc], " ")
		by[function] += times
	}
	fmt.Fprintf(out, "\n%s:\n", w.name)
	for _, f := range slices.SortedFunc(maps.Keys(by), func(a, b string) int {
		return cmp.Or(cmp.Compare(by[b], by[a]), cmp.Compare(a, b))
	}) {
		if each := float64(by[f]) / float64(w.operations); each >= 0.5 {
			fmt.Fprintf(out, "  %6.1f %s\n", each, f)
		}
	}
	return nil
}
