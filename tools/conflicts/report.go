package main

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
)

// printPairs prints the report: the table of pairs, the reasons for what is allowed, and where the lines
// come from that are not.
func printPairs(w io.Writer, windows []*window, allowed map[string]allowance, names *symbols, o *options) error {
	fmt.Fprintf(w, "%d workers on %d CPUs; each worker's threads are bound to its CPU.\n\n", o.workers, o.cpus)
	fmt.Fprintf(w, "| pair | shared lines | allowed | instructions | locked |\n|---|---:|---:|---:|---:|\n")
	free, counted := 0, 0
	var wrong, reasons []string
	for _, x := range windows {
		n, may := len(x.shared()), allowed[x.name]
		limit := ""
		switch {
		case x.control:
			limit = "a control: at least 1"
			if n == 0 {
				wrong = append(wrong, x.name)
			}
		case may.lines > 0:
			limit = fmt.Sprint(may.lines)
			reasons = append(reasons, fmt.Sprintf("%s: %s", x.name, may.reason))
		}
		if !x.control {
			counted++
			if n == 0 {
				free++
			}
			if n > may.lines {
				wrong = append(wrong, x.name)
			}
		}
		instructions, locked := x.costs()
		fmt.Fprintf(w, "| %s | %d | %s | %.0f | %.1f |\n", x.name, n, limit, instructions, locked)
	}
	fmt.Fprintf(w, "\n%d of %d pairs are free of conflicts.\n", free, counted)
	for _, r := range reasons {
		fmt.Fprintf(w, "Allowed: %s\n", r)
	}
	for _, x := range windows {
		if o.places || slices.Contains(wrong, x.name) || x.control {
			if err := printLines(w, x, names); err != nil {
				return err
			}
		}
	}
	if len(wrong) > 0 {
		return fmt.Errorf("%w: %s", errConflicts, strings.Join(wrong, ", "))
	}
	return nil
}

// row is one pair or operation of the JSON document.
type row struct {
	Name         string  `json:"name"`
	Shared       int     `json:"shared"`
	Instructions float64 `json:"instructions"`
	Locked       float64 `json:"locked"`
}

func printJSON(w io.Writer, windows []*window) error {
	var rows []row
	for _, x := range windows {
		r := row{Name: x.name, Shared: len(x.shared())}
		r.Instructions, r.Locked = x.costs()
		rows = append(rows, r)
	}
	return json.NewEncoder(w).Encode(rows)
}

// costs are the kernel's instructions for an operation, and the locked ones of them, of all
// workers on average.
func (w *window) costs() (instructions, locked float64) {
	var operations uint64
	for _, t := range w.workers {
		operations += w.operations
		instructions += float64(t.instructions)
		locked += float64(t.locked)
	}
	if operations == 0 {
		return 0, 0
	}
	return instructions / float64(operations), locked / float64(operations)
}

// printLines prints the shared lines of a window. Lines that the same places touch are one item,
// such as those of a page that is cleared.
func printLines(w io.Writer, x *window, names *symbols) error {
	type item struct {
		first *line
		lines int
	}
	var items []*item
	by := map[string]*item{}
	var pcs []uint64
	for _, l := range x.shared() {
		key := fmt.Sprint(l.stores, l.loads)
		if by[key] == nil {
			by[key] = &item{first: l}
			items = append(items, by[key])
			pcs = append(append(pcs, l.stores...), l.loads...)
		}
		by[key].lines++
	}
	if err := names.look(pcs); err != nil {
		return err
	}
	if len(items) > 0 {
		fmt.Fprintf(w, "\n%s, of %d operations each:\n", x.name, x.operations)
	}
	for _, i := range items {
		l := i.first
		what := names.variable(l.address)
		if what == "" {
			what = fmt.Sprintf("%#x", l.address)
		}
		if i.lines > 1 {
			what = fmt.Sprintf("%d lines, the first %s", i.lines, what)
		}
		fmt.Fprintf(w, "  %s: written in %s, touched in %s\n", what, perWorker(l, func(u use) uint64 { return u.wrote }), perWorker(l, func(u use) uint64 { return u.touched }))
		for _, pc := range l.stores {
			fmt.Fprintf(w, "    store %s\n", names.places[pc])
		}
		for _, pc := range l.loads {
			if !slices.Contains(l.stores, pc) {
				fmt.Fprintf(w, "    load  %s\n", names.places[pc])
			}
		}
	}
	return nil
}

// perWorker prints one number for each worker, of all CPUs.
func perWorker(l *line, number func(use) uint64) string {
	sums := map[int]uint64{}
	for _, u := range l.uses {
		sums[u.worker] += number(u)
	}
	var parts []string
	for _, worker := range slices.Sorted(maps.Keys(sums)) {
		parts = append(parts, fmt.Sprint(sums[worker]))
	}
	return strings.Join(parts, " and ")
}
