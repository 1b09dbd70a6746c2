package shell

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"

	acpitables "muster/kernel/acpi"
)

// numa lists the nodes: what the firmware says of CPUs and memory that are near each other.
func numa(_ context.Context, s *Shell, a args) error {
	var rows []Node
	if t := s.sys.Firmware().Topology; t != nil {
		rows = nodes(t, s.sys.Memory().Nodes)
	}
	if a.json || len(rows) > 0 {
		err := list(s, a, rows, "NODE DOMAIN CPUS MEMORY-MIB FREE-MIB DISTANCES", func(w io.Writer, n Node) {
			set := "none"
			if len(n.CPUs) > 0 {
				set = shortSet(n.CPUs)
			}
			fmt.Fprintf(w, "%d\t%d\t%s\t%d\t%d\t%s\t", n.Node, n.Domain, set, n.Bytes>>20, n.Free>>20, distances(n.Distances))
		})
		if err != nil || a.json {
			return err
		}
		for _, n := range rows {
			if set := cpuSet(n.CPUs); len(n.CPUs) > 0 && set != shortSet(n.CPUs) {
				fmt.Fprintln(s.out, hang(fmt.Sprintf("node %d has the CPUs %s", n.Node, spaced(set))))
			}
		}
		fmt.Fprintln(s.out, hang(nearMemory))
	} else {
		fmt.Fprintln(s.out, "the firmware describes no nodes: all memory counts as equally near to all CPUs")
	}
	return nil
}

// nearMemory says what nodes are good for.
const nearMemory = "Threads prefer the CPUs of their node. A page is of the node of the CPU that needs it first; if that has none, of the nearest one that has."

// nodes returns the nodes of a topology, with what is free, where it is known.
func nodes(t *acpitables.Topology, memory []NodeMemory) (rows []Node) {
	for i, n := range t.Nodes {
		row := Node{Node: i, Domain: n.Domain, CPUs: []int{}, Distances: []int{}}
		for _, d := range n.Distances {
			row.Distances = append(row.Distances, int(d))
		}
		if len(memory) == len(t.Nodes) {
			row.Free = memory[i].Free
		}
		for _, m := range n.Memory {
			row.Bytes += m.Size
		}
		for _, c := range t.CPUs {
			if c.Node == i {
				row.CPUs = append(row.CPUs, c.CPU)
			}
		}
		slices.Sort(row.CPUs)
		rows = append(rows, row)
	}
	return rows
}

// mostDistances is how many distances a row has room for.
const mostDistances = 8

// distances writes the distances of a node to all nodes.
func distances(list []int) string {
	if len(list) == 0 {
		return "?"
	}
	if len(list) > mostDistances {
		return fmt.Sprintf("of %d nodes: -json", len(list))
	}
	return strings.Trim(fmt.Sprint(list), "[]")
}
