package mem

import (
	"muster/kernel/percpu"
	"muster/kernel/tree"
)

// The search for free addresses between areas.

// hole returns the lowest address at or above before with size free bytes; all
// addresses above the last area are free. It enters only subtrees that have a hole
// of that size or a part below before, and those lie along one path, so it takes
// O(log n) steps.
func hole(root *tree.Node, before, size uintptr) uintptr {
	for n := root; n != nil; {
		a := areaOf(n)
		if !a.mayHold(before, size) {
			before = max(before, a.high)
			n = n.After()
		} else if n.Left != nil {
			n = n.Left
			continue
		}
		// What lies left of n is done.
		for n != nil {
			a = areaOf(n)
			if a.start() >= before && a.start()-before >= size {
				return before
			}
			before = max(before, a.end)
			if n.Right != nil {
				n = n.Right
				break
			}
			n = n.After()
		}
	}
	return before
}

// mayHold reports whether the subtree of a, or what lies between before and the
// subtree, has a hole of size bytes, which may lie below before.
func (a *Area) mayHold(before, size uintptr) bool {
	return a.high > before && (a.gap >= size || a.low >= before && a.low-before >= size)
}

// Available reports whether [start, end) is free and may hold a mapping.
//
// Locks: takes s.mu; the caller keeps others from changing areas.
func (s *Space) Available(c *percpu.CPU, start, end uintptr) bool {
	if start < s.from || end > s.to || end <= start {
		return false
	}
	s.mu.Lock(c)
	a := s.next(start)
	s.mu.Unlock(c)
	return a == nil || a.start() >= end
}

// Limit returns the end of the addresses that mappings may have.
func (s *Space) Limit() uintptr { return s.to }

// Mappable reports whether a fixed mapping may be made at [start, end).
func (s *Space) Mappable(start, end uintptr) bool {
	return start >= s.from && end <= s.to && end > start
}

// FindHole returns the lowest address at or above floor with size free bytes. ok is
// false without such an address.
//
// Locks: as Available.
func (s *Space) FindHole(c *percpu.CPU, floor, size uintptr) (addr uintptr, ok bool) {
	floor = max(floor, s.from)
	if size == 0 || floor >= s.to || size > s.to-floor {
		return 0, false
	}
	s.mu.Lock(c)
	addr = hole(s.areas.Root, floor, size)
	s.mu.Unlock(c)
	return addr, addr <= s.to-size
}
