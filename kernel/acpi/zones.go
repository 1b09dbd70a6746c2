package acpi

import (
	"cmp"
	"slices"

	"muster/kernel/abi"
)

// MaxZones is how many nodes can have memory of their own.
const MaxZones = 255

// frameShift is log2 of the size of a page; lastFrame is beyond all of RAM.
const (
	frameShift = 12
	lastFrame  = 1<<32 - abi.NodeUnit
)

// Zones returns where the memory of each node begins, for kcall.SetNodes. A range begins with a whole unit. Memory that
// no node claims is of the node below it. Below all claims it is of the first node above, and if there is no claim, of node 0.
func (t *Topology) Zones() []abi.NodeStart {
	type claim struct {
		base uint64
		node int
	}
	var claims []claim
	for i, n := range t.Nodes {
		for _, m := range n.Memory {
			claims = append(claims, claim{m.Base, i})
		}
	}
	slices.SortFunc(claims, func(x, y claim) int { return cmp.Compare(x.base, y.base) })
	starts := []abi.NodeStart{{}}
	for i, k := range claims {
		frame := uint32(min((k.base>>frameShift+abi.NodeUnit-1)&^(abi.NodeUnit-1), lastFrame))
		if last := &starts[len(starts)-1]; i == 0 || frame == last.Frame {
			last.Node = uint32(k.node)
		} else {
			starts = append(starts, abi.NodeStart{Frame: frame, Node: uint32(k.node)})
		}
	}
	return slices.CompactFunc(starts, func(x, y abi.NodeStart) bool { return x.Node == y.Node })
}

// Nearest returns a row for each node: all nodes, itself first, then by distance. Of nodes at the same distance the
// next number comes first, so that not all nodes fall over to the same one.
func (t *Topology) Nearest() []uint8 {
	n := len(t.Nodes)
	order := room[uint8](n * n)
	for from := range n {
		row := make([]int, n)
		for i := range row {
			row[i] = (from + i) % n
		}
		if d := t.Nodes[from].Distances; len(d) == n {
			slices.SortStableFunc(row[1:], func(x, y int) int { return cmp.Compare(d[x], d[y]) })
		}
		for _, to := range row {
			order = append(order, uint8(to))
		}
	}
	return order
}

// Unclaimed returns how much of some memory no node claims, and where that begins. The memory is sorted ranges.
func (t *Topology) Unclaimed(memory []abi.Region) (bytes, first uint64) {
	var claims []Range
	for _, n := range t.Nodes {
		claims = append(claims, n.Memory...)
	}
	slices.SortFunc(claims, func(x, y Range) int { return cmp.Compare(x.Base, y.Base) })
	missing := func(from, to uint64) {
		if from < to {
			if bytes == 0 {
				first = from
			}
			bytes += to - from
		}
	}
	for _, r := range memory {
		at, end := r.Start, r.Start+r.Length
		for _, k := range claims {
			missing(at, min(k.Base, end))
			if last := k.Base + (k.Size - 1); k.Base < end && last >= at {
				at = min(last, end-1) + 1
			}
		}
		missing(at, end)
	}
	return bytes, first
}
