// Package wheel is a queue of nodes ordered by time, which live inside the caller's
// objects: a hierarchical timing wheel. Adding a node, taking any node out, and each step
// towards the first one cost the same however many nodes there are, and whatever their
// times are. No function allocates.
//
// A level has 64 slots, one for each value of six bits of a time. Level 0 has the lowest six
// bits, so a slot there holds the nodes of one time. A node lies at the level of the highest
// bits in which its time differs from the wheel's base. As the base advances to the
// beginning of a slot of a higher level, the nodes of that slot move down, one by one. Each
// slot keeps a lower bound of its times, so the caller need not wake up only to move nodes.
//
// Layer: core.
// Context: any.
// Locks: the caller's.
// Manual: Varghese and Lauck, "Hashed and Hierarchical Timing Wheels".
// Chapter: docs/09-scheduler.md.
package wheel

import "math/bits"

const (
	slotBits = 6
	slots    = 1 << slotBits
	levels   = 9
)

// Never stands for no time: the times of nodes are below it.
const Never = 1 << (slotBits * levels)

// Node is embedded in the objects that a wheel orders.
type Node struct {
	next, prev *Node // round the nodes of a slot; nil outside a wheel
	at         uint64
	slot       uint32
}

// At returns the time with which n was added.
func (n *Node) At() uint64 { return n.at }

// slot holds nodes in the order in which they came.
type slot struct {
	first *Node
	least uint64 // not above any of the times, while there are nodes
}

// Wheel is a set of nodes; the zero value is empty, with 0 for a base.
type Wheel struct {
	base    uint64         // no node lies in a slot before it, but in the slot that drains
	used    uint32         // levels with nodes
	drains  uint32         // the slot whose nodes move down, +1; 0 for none
	members [levels]uint64 // slots with nodes
	slot    [levels * slots]slot
}

// levelOf returns the level of a difference to the base.
//
// The division is by a constant: a multiplication.
func levelOf(difference uint64) uint32 { return uint32(bits.Len64(difference|1)-1) / slotBits }

// Insert adds n, which is in no wheel, at a time, which is below Never. A time before the
// base counts as the base.
func (w *Wheel) Insert(n *Node, at uint64) {
	n.at = at
	w.place(n)
}

func (w *Wheel) place(n *Node) {
	at := max(n.at, w.base)
	level := levelOf(at ^ w.base)
	i := uint32(at>>(level*slotBits))&(slots-1) | level*slots
	s := &w.slot[i%(levels*slots)]
	n.slot = i
	if first := s.first; first != nil {
		last := first.prev
		n.prev, n.next = last, first
		last.next, first.prev = n, n
		s.least = min(s.least, at)
		return
	}
	n.prev, n.next = n, n
	s.first, s.least = n, at
	w.members[level%levels] |= 1 << (i % slots)
	w.used |= 1 << level
}

// Remove takes n, which is in this wheel, out.
func (w *Wheel) Remove(n *Node) {
	i := n.slot % (levels * slots)
	s := &w.slot[i]
	next := n.next
	if next != n {
		prev := n.prev
		prev.next, next.prev = next, prev
		if s.first == n {
			s.first = next
		}
		n.next = nil
		return
	}
	n.next, s.first = nil, nil
	level := i / slots
	w.members[level] &^= 1 << (i % slots)
	if w.members[level] == 0 {
		w.used &^= 1 << level
	}
	if w.drains == i+1 {
		w.drains = 0
	}
}

// First returns a time that is not later than any node's, Never without nodes. It is a
// node's time, or that of one that has been taken out.
func (w *Wheel) First() uint64 {
	if w.used == 0 {
		return Never
	}
	at := w.slot[w.firstSlot()].least
	if w.drains != 0 {
		at = min(at, w.slot[(w.drains-1)%(levels*slots)].least)
	}
	return at
}

// firstSlot returns the first slot of the lowest level with nodes. All other slots are later,
// but the one that drains. There is a node.
func (w *Wheel) firstSlot() uint32 {
	level := uint32(bits.TrailingZeros32(w.used)) % levels
	return (uint32(bits.TrailingZeros64(w.members[level])) | level*slots) % (levels * slots)
}

// Step does one step towards the time now. It takes out a node that is due, or moves a node
// or the base, and reports more; or it has found that nothing is due and nothing is to be
// moved. Nodes come in the order of their times, but after those whose time was before the
// base when they were added.
func (w *Wheel) Step(now uint64) (n *Node, more bool) {
	if w.used == 0 {
		w.base = max(w.base, now)
		return nil, false
	}
	i := w.firstSlot()
	s := &w.slot[i]
	if w.drains != 0 {
		if d := &w.slot[(w.drains-1)%(levels*slots)]; i >= slots || s.least > now || d.least <= now {
			n := d.first
			w.Remove(n)
			w.place(n)
			return nil, true
		}
	}
	if i < slots {
		if s.least > now {
			w.base = max(w.base, now)
			return nil, false
		}
		w.base = max(w.base, s.least) // the others are not earlier
		n = s.first
		w.Remove(n)
		return n, true
	}
	level := i / slots
	begin := (w.base>>(level*slotBits)&^(slots-1) | uint64(i%slots)) << (level * slotBits)
	if begin > now {
		w.base = max(w.base, now)
		return nil, false
	}
	w.base = begin
	w.drains = i + 1
	return nil, true
}

// Any returns a node, nil without one.
func (w *Wheel) Any() *Node {
	if w.used == 0 {
		return nil
	}
	return w.slot[w.firstSlot()].first
}
