package main

import (
	"fmt"
	"strings"

	"muster/kernel/abi"
	"muster/kernel/acpi"
	"muster/kernel/kcall"
	"muster/kernel/klog"
	"muster/kernel/layout"
)

// divideMemory gives each NUMA node a zone of memory of its own.
//
// Context: while the boot CPU runs alone.
func (m *hardware) divideMemory() {
	n := len(m.top.Nodes)
	if n < 2 {
		return
	}
	if n > acpi.MaxZones {
		klog.Warnf("mem: %d nodes, of which %d can have memory of their own: all memory counts as one node's", n, acpi.MaxZones)
		return
	}
	if bytes, first := m.top.Unclaimed(usable(m.boot)); bytes > 0 {
		klog.Warnf("acpi: SRAT: no node for %d KiB of memory, the first at %#x: they count to the node below", bytes>>10, first)
	}
	if err := kcall.SetNodes(m.top.Zones(), m.top.Nearest()); err != nil {
		klog.Errorf("mem: all memory counts as one node's: %v", err)
		return
	}
	klog.Infof("mem: %d nodes: %s", n, strings.Join(sizes(n), ", "))
}

// usable returns the memory that the kernel uses.
func usable(boot *abi.Boot) (list []abi.Region) {
	for _, r := range kcall.Slice[abi.Region](boot.Regions, boot.RegionCount) {
		const low = 1 << 20 // below that it uses one page
		if end := r.Start + r.Length; end > low {
			start := max(r.Start, low)
			list = append(list, abi.Region{Start: start, Length: end - start, Type: r.Type})
		}
	}
	return list
}

// sizes says how much memory each node has.
func sizes(n int) (list []string) {
	for i := range n {
		info, err := kcall.NodeInfo(i)
		if err != nil {
			return list
		}
		list = append(list, fmt.Sprintf("%d has %d MiB", i, info.TotalPages*layout.PageSize>>20))
	}
	return list
}
