package shell

import (
	"fmt"
	"strings"
	"text/tabwriter"
)

// printParts lists the memory of each node, its free blocks, and the kernel's objects.
func (s *Shell) printParts(m Memory) error {
	table := func(head string, rows func(w *tabwriter.Writer)) {
		w := tabwriter.NewWriter(s.out, 0, 8, 2, ' ', tabwriter.AlignRight)
		fmt.Fprintln(w, strings.ReplaceAll(head, " ", "\t")+"\t")
		rows(w)
		w.Flush()
	}
	table("NODE TOTAL-KIB FREE-KIB NEVER-USED-KIB IN-LISTS-KIB", func(w *tabwriter.Writer) {
		for i, n := range m.Nodes {
			fmt.Fprintf(w, "%d\t%d\t%d\t%d\t%d\t\n", i, n.Total>>10, n.Free>>10, n.Fresh>>10, n.Single>>10)
		}
	})
	for i, n := range m.Nodes {
		fmt.Fprintln(s.out, hang(fmt.Sprintf("free blocks of node %d: %s", i, blocks(&n))))
	}
	table("OBJECT BYTES IN-USE FREE OF-CPUS KIB", func(w *tabwriter.Writer) {
		for _, k := range m.Caches {
			if k.Bytes > 0 {
				fmt.Fprintf(w, "%s\t%d\t%d\t%d\t%d\t%d\t\n", k.Name, k.Size, k.InUse, k.Free, k.OfCPUs, k.Bytes>>10)
			}
		}
	})
	return nil
}

// blocks says how many free blocks of each size a node has.
func blocks(n *NodeMemory) string {
	var list []string
	for order, count := range n.Blocks {
		if count > 0 {
			list = append(list, fmt.Sprintf("%d of %s", count, kibText(4<<order)))
		}
	}
	if len(list) == 0 {
		return "none"
	}
	return strings.Join(list, ", ")
}

// kibText writes a size that is a power of two, in KiB.
func kibText(kib int) string {
	switch {
	case kib >= 1<<20:
		return fmt.Sprintf("%d GiB", kib>>20)
	case kib >= 1<<10:
		return fmt.Sprintf("%d MiB", kib>>10)
	}
	return fmt.Sprintf("%d KiB", kib)
}
