package mem

import (
	"math/bits"
	"unsafe"

	"muster/kernel/abi"
	"muster/kernel/layout"
	"muster/kernel/lock"
	"muster/kernel/percpu"
)

// The way from the one zone of the boot to a zone for each node.

// MaxNodes is how many nodes there can be: a number fits a byte, as does a CPU's node, of which 0 means none.
const MaxNodes = 255

// MaxStarts is how many ranges memory can be made of.
const MaxStarts = 1 << 16

// HasNodes reports whether there is more than the boot's zone.
func HasNodes() bool { return nodes.count != 0 }

// NodePlan is memory that the caller fills in for InitNodes.
type NodePlan struct {
	Starts uintptr // *[Count]abi.NodeStart
	Count  uint32
	Order  uintptr // *[Nodes][Nodes]uint8
	Nodes  uint32
	zones  uintptr
	fresh  uintptr
}

// PlanNodes makes the memory for so many nodes and ranges, which are within their bounds. It reports false if little memory is
// left.
//
// Context: boot CPU, while only the boot CPU is online; no lock held.
func PlanNodes(c *percpu.CPU, count, nodes uint32) (p NodePlan, ok bool) {
	fresh := uintptr(bootZone.freshCount+count) * freshBytes
	n := uintptr(nodes)*zoneBytes + uintptr(count)*unsafe.Sizeof(abi.NodeStart{}) + uintptr(nodes*nodes) + fresh
	if !Spares(c, uint64(n/layout.PageSize+cacheSlack)) {
		return p, false
	}
	p = NodePlan{Count: count, Nodes: nodes, zones: AllocMapped(c, n, line)}
	p.fresh = p.zones + uintptr(nodes)*zoneBytes
	p.Starts = p.fresh + fresh
	p.Order = p.Starts + uintptr(count)*unsafe.Sizeof(abi.NodeStart{})
	return p, true
}

// isValid reports whether the ranges are in order and begin with frame 0, whether each begins with a page of the frame
// table, and whether each node's row of the order has each node once, itself first.
func (p *NodePlan) isValid() bool {
	for i := range p.Count {
		s := ptr[abi.NodeStart](p.Starts + uintptr(i)*unsafe.Sizeof(abi.NodeStart{}))
		if s.Node >= p.Nodes || s.Frame%wordsPerPage != 0 || (i == 0) != (s.Frame == 0) {
			return false
		}
		if i > 0 && s.Frame <= ptr[abi.NodeStart](p.Starts+uintptr(i-1)*unsafe.Sizeof(abi.NodeStart{})).Frame {
			return false
		}
	}
	for node := range p.Nodes {
		row := p.Order + uintptr(node*p.Nodes)
		if uint32(*ptr[uint8](row)) != node {
			return false
		}
		var seen [4]uint64
		for i := range uintptr(p.Nodes) {
			n := *ptr[uint8](row + i)
			if uint32(n) >= p.Nodes || seen[n/64]>>(n%64)&1 != 0 {
				return false
			}
			seen[n/64] |= 1 << (n % 64)
		}
	}
	return true
}

// InitNodes gives each node a zone of its own, and all that is free to the zones. It reports false if the plan is not
// valid. Frames that are in use go to their zones when they are freed. What is in the lists is what the boot has used
// and freed, so this is a short step.
//
// Context: boot CPU, once, while only the boot CPU is online; no lock held.
func InitNodes(c *percpu.CPU, p *NodePlan) bool {
	if HasNodes() || !p.isValid() {
		return false
	}
	GiveBack(c)
	boot := &bootZone
	pool.unused.Add(-boot.unused.Load()) // the zones count it anew
	nodes.starts, nodes.count, nodes.order = p.Starts, p.Count, p.Order
	nodes.zones, frames.nodes = p.zones, p.Nodes
	for i := range p.Nodes {
		zoneAt(i).mu.Rank = lock.RankFrames
	}
	for i := range pool.count {
		r := &pool.regions[i]
		for n := r.start; n < r.tableEnd; {
			node, _, end := extent(n)
			end = min(end, r.tableEnd)
			zoneAt(node).total += uint64(end - n)
			n = end
		}
	}
	shareFresh(p.fresh)
	for order := range boot.blocks {
		for k := boot.blocks[order].First(); k != nil; k = boot.blocks[order].First() {
			n := blockOf(k)
			boot.blocks[order].Remove(k)
			*frameWord(n) = frameNone
			shareBlock(c, n, n+1<<order)
		}
	}
	for m := boot.unkeepAll(); m.n > 0; m = boot.unkeepAll() {
		putMagazine(c, m)
	}
	beginCaching()
	return true
}

// unkeepAll is unkeep for a zone that no other CPU knows.
func (z *zone) unkeepAll() (m magazine) {
	if m.first = z.depot; m.first != frameNone {
		k := keptAt(m.first)
		z.depot, m.n = k.below, k.n
	}
	return m
}

// shareFresh gives the nodes the RAM that was never used. The list has room for all pieces: each node's are
// in a row.
func shareFresh(list uintptr) {
	boot := &bootZone
	for node := range frames.nodes {
		z := zoneAt(node)
		z.fresh = list
		for i := boot.at; i < boot.freshCount; i++ {
			s := boot.freshAt(i)
			for n := s.next; n < s.end; {
				of, _, end := extent(n)
				end = min(end, s.end)
				if of == node {
					z.addFresh(freshRAM{n, end})
				}
				n = end
			}
		}
		list += uintptr(z.freshCount) * freshBytes
	}
}

// shareBlock gives the frames from n up to end, which are free, to their zones, in the largest blocks that fit.
//
// Locks: takes zone.mu of one zone after another.
func shareBlock(c *percpu.CPU, n, end uint32) {
	for n < end {
		node, _, last := extent(n)
		order := min(uint(bits.TrailingZeros32(n)), uint(bits.Len32(min(end, last)-n))-1, MaxOrder)
		z := zoneAt(node)
		z.mu.Lock(c)
		frameTablePages.add(n)
		z.putBlock(c, n, order)
		z.mu.Unlock(c)
		n += 1 << order
	}
}
