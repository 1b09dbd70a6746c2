package mem

import (
	"unsafe"

	"muster/kernel/percpu"
	"muster/kernel/tree"
)

// updateArea recomputes what an area stores about its subtree.
func updateArea(n *tree.Node) {
	a := areaOf(n)
	a.low, a.high, a.gap = a.start(), a.end, 0
	if n.Left != nil {
		l := areaOf(n.Left)
		a.low = l.low
		a.gap = max(l.gap, a.start()-l.high)
	}
	if n.Right != nil {
		r := areaOf(n.Right)
		a.high = r.high
		a.gap = max(a.gap, r.gap, r.low-a.end)
	}
}

// find returns the area that contains addr, nil if no area does.
func (s *Space) find(addr uintptr) *Area {
	if a := s.last; a != nil && addr >= a.start() && addr < a.end {
		return a
	}
	n := s.areas.AtMost(uint64(addr))
	if n == nil || areaOf(n).end <= addr {
		return nil
	}
	s.last = areaOf(n)
	return s.last
}

// next returns the first area that ends above addr, nil if there is no such area.
func (s *Space) next(addr uintptr) *Area {
	if a := s.find(addr); a != nil {
		return a
	}
	if n := s.areas.AtLeast(uint64(addr)); n != nil {
		return areaOf(n)
	}
	return nil
}

// hole finds the lowest hole of size bytes at or above before, within the subtree n
// or in front of it. Without a hole it returns where the search continues.
func hole(n *tree.Node, before, size uintptr) (addr uintptr, ok bool, next uintptr) {
	if n == nil {
		return 0, false, before
	}
	a := areaOf(n)
	if a.high <= before {
		return 0, false, before
	}
	if a.gap < size && (a.low < before || a.low-before < size) {
		return 0, false, a.high
	}
	if addr, ok, before = hole(n.Left, before, size); ok {
		return addr, true, 0
	}
	if a.start() >= before && a.start()-before >= size {
		return before, true, 0
	}
	return hole(n.Right, max(before, a.end), size)
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
	addr, ok, next := hole(s.areas.Root, floor, size)
	s.mu.Unlock(c)
	if !ok {
		addr = next
	}
	return addr, addr <= s.to-size
}

// maxAreas is the largest number of areas of a program, like vm.max_map_count on
// Linux.
const maxAreas = 65530

// newArea returns an area for s, nil when memory is exhausted, or s has too many
// areas.
func (s *Space) newArea(c *percpu.CPU) *Area {
	if s.user && (s.count >= maxAreas || !Plenty(c)) {
		return nil
	}
	return (*Area)(areaCache.Alloc(c))
}

// Insert adds an area over free addresses, and joins it with neighbours that
// have the same rights. It reports false when memory is exhausted.
//
// Locks: as Available.
func (s *Space) Insert(c *percpu.CPU, start, end uintptr, prot Prot) bool {
	a := s.newArea(c)
	if a == nil {
		return false
	}
	a.node.Key = uint64(start)
	a.end = end
	a.prot = prot
	s.mu.Lock(c)
	s.areas.Insert(&a.node)
	s.count++
	s.last = a
	s.join(start, end)
	s.mu.Unlock(c)
	s.freeAreas(c)
	return true
}

// join merges areas of equal rights that meet at or between start and end. The
// areas that are left over go to the list of unused ones.
func (s *Space) join(start, end uintptr) {
	first := start
	if first > 0 {
		first-- // the neighbour that ends at start
	}
	a := s.next(first)
	for a != nil && a.start() <= end {
		b := s.next(a.end)
		if b == nil || b.start() > end {
			return
		}
		if b.start() != a.end || a.prot != b.prot || a.dying || b.dying {
			a = b
			continue
		}
		s.areas.Remove(&b.node)
		s.count--
		s.areas.Remove(&a.node) // its end changes what its ancestors store
		a.end = b.end
		s.areas.Insert(&a.node)
		s.last = a
		s.unused.Push(&b.unused)
	}
}

// freeAreas frees the areas that were taken out.
//
// Locks: takes areaCache.mu.
func (s *Space) freeAreas(c *percpu.CPU) {
	for n := s.unused.Pop(); n != nil; n = s.unused.Pop() {
		areaCache.Free(c, unsafe.Add(unsafe.Pointer(n), -int(unsafe.Offsetof(Area{}.unused))))
	}
}

// split cuts areas so that no area crosses at. It reports false when memory is
// exhausted.
func (s *Space) split(c *percpu.CPU, at uintptr) bool {
	s.mu.Lock(c)
	a := s.find(at)
	cross := a != nil && a.start() < at
	s.mu.Unlock(c)
	if !cross {
		return true
	}
	b := s.newArea(c)
	if b == nil {
		return false
	}
	s.mu.Lock(c)
	b.node.Key = uint64(at)
	b.end, b.prot, b.dying = a.end, a.prot, a.dying
	s.areas.Remove(&a.node)
	a.end = at
	s.areas.Insert(&a.node)
	s.areas.Insert(&b.node)
	s.count++
	s.last = nil
	s.mu.Unlock(c)
	return true
}

// Covered reports whether every byte of [start, end) lies in an area.
//
// Locks: as Available.
func (s *Space) Covered(c *percpu.CPU, start, end uintptr) bool {
	s.mu.Lock(c)
	for start < end {
		a := s.find(start)
		if a == nil || a.dying {
			break
		}
		start = a.end
	}
	s.mu.Unlock(c)
	return start >= end
}

// NextArea returns the part of [start, end) that its first area covers.
//
// Locks: as Available.
func (s *Space) NextArea(c *percpu.CPU, start, end uintptr) (from, to uintptr, ok bool) {
	s.mu.Lock(c)
	if a := s.next(start); a != nil && a.start() < end {
		from, to, ok = max(a.start(), start), min(a.end, end), true
	}
	s.mu.Unlock(c)
	return from, to, ok
}

// BeginUnmap makes the areas in [start, end) unusable, so that Zap can take
// their pages away step by step. It reports false when memory is exhausted.
//
// Locks: as Available.
func (s *Space) BeginUnmap(c *percpu.CPU, start, end uintptr) bool {
	if !s.split(c, start) || !s.split(c, end) {
		return false
	}
	s.mu.Lock(c)
	for a := s.next(start); a != nil && a.start() < end; a = s.next(a.end) {
		a.dying = true
	}
	s.mu.Unlock(c)
	return true
}

// EndUnmap frees the areas of [start, end); their pages are gone.
//
// Locks: as Available.
func (s *Space) EndUnmap(c *percpu.CPU, start, end uintptr) {
	s.mu.Lock(c)
	s.last = nil
	for a := s.next(start); a != nil && a.start() < end; a = s.next(start) {
		s.areas.Remove(&a.node)
		s.count--
		s.last = nil
		s.unused.Push(&a.unused)
	}
	s.mu.Unlock(c)
	s.freeAreas(c)
}

// SetProt changes the rights of all areas in [start, end); Reprotect then brings
// the page tables up to date. It reports false when memory is exhausted.
//
// Locks: as Available.
func (s *Space) SetProt(c *percpu.CPU, start, end uintptr, prot Prot) bool {
	if !s.split(c, start) || !s.split(c, end) {
		return false
	}
	s.mu.Lock(c)
	for a := s.next(start); a != nil && a.start() < end; a = s.next(a.end) {
		a.prot = prot
	}
	s.join(start, end)
	s.mu.Unlock(c)
	s.freeAreas(c)
	return true
}
