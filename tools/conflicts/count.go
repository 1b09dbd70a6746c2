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

// printFunctions prints how many instructions of an operation are the kernel's and the program's, and in which functions
// they are.
func printFunctions(w io.Writer, windows []*window, kernel, program *symbols) error {
	fmt.Fprintf(w, "| operation | kernel | program |\n|---|---:|---:|\n")
	for _, x := range windows {
		inside, outside := x.sides()
		fmt.Fprintf(w, "| %s | %.1f | %.1f |\n", x.name, x.each(inside), x.each(outside))
	}
	for _, x := range windows {
		inside, outside := x.sides()
		if err := x.printSide(w, "kernel", inside, kernel); err != nil {
			return err
		}
		if err := x.printSide(w, "program", outside, program); err != nil {
			return err
		}
	}
	return nil
}

// sides divides the counted instructions into those of the kernel, in the upper half of the addresses, and the program's.
func (w *window) sides() (kernel, program map[uint64]uint64) {
	kernel, program = map[uint64]uint64{}, map[uint64]uint64{}
	for pc, times := range w.code {
		if pc>>63 != 0 {
			kernel[pc] = times
		} else {
			program[pc] = times
		}
	}
	return kernel, program
}

// each returns how many of the instructions an operation has.
func (w *window) each(code map[uint64]uint64) float64 {
	var sum uint64
	for _, times := range code {
		sum += times
	}
	return float64(sum) / float64(max(w.operations, 1))
}

// printSide prints which functions execute how many instructions of an operation, and in which files these are. One that is inlined
// counts for the function that it is in, and for its own file.
func (w *window) printSide(out io.Writer, side string, code map[uint64]uint64, names *symbols) error {
	if err := names.look(slices.Collect(maps.Keys(code))); err != nil {
		return err
	}
	functions, files := map[string]uint64{}, map[string]uint64{}
	for pc, times := range code {
		function, place, _ := strings.Cut(names.places[pc], " ")
		file, _, _ := strings.Cut(place, ":")
		functions[function] += times
		files[file] += times
	}
	fmt.Fprintf(out, "\n%s, %s:\n", w.name, side)
	w.printParts(out, functions)
	fmt.Fprintf(out, "%s, %s, by file:\n", w.name, side)
	w.printParts(out, files)
	return nil
}

// printParts prints how many instructions of an operation each part has, the largest first.
func (w *window) printParts(out io.Writer, by map[string]uint64) {
	for _, part := range slices.SortedFunc(maps.Keys(by), func(a, b string) int {
		return cmp.Or(cmp.Compare(by[b], by[a]), cmp.Compare(a, b))
	}) {
		if each := float64(by[part]) / float64(w.operations); each >= 0.5 {
			fmt.Fprintf(out, "  %6.1f %s\n", each, part)
		}
	}
}
