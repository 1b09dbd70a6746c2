package mem

import (
	"unsafe"

	"muster/kernel/percpu"
	"muster/kernel/tree"
)

// refreshArea is the tree's Refresh: what an area stores about its subtree.
func refreshArea(n *tree.Node) (changed bool) {
	a := areaOf(n)
	low, high, gap := a.start(), a.end, uintptr(0)
	if n.Left != nil {
		l := areaOf(n.Left)
		low = l.low
		gap = max(l.gap, a.start()-l.high)
	}
	if n.Right != nil {
		r := areaOf(n.Right)
		high = r.high
		gap = max(gap, r.gap, r.low-a.end)
	}
	changed = low != a.low || high != a.high || gap != a.gap
	a.low, a.high, a.gap = low, high, gap
	return changed
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

// maxAreas is the largest number of areas of a program, like vm.max_map_count on
// Linux.
const maxAreas = 65530

// newArea returns an area for s, nil when memory is exhausted, or s has too many
// areas. CPUs that look at the same time may each make one more.
func (s *Space) newArea(c *percpu.CPU) *Area {
	if s.user && (s.count >= maxAreas || !Plenty(c)) {
		return nil
	}
	return (*Area)(areaCache.Alloc(c))
}

// The caller of a function that changes areas keeps others from changing areas at the same addresses, across all
// steps of a change (linux.mapLock). Neighbours may change meanwhile: areas are split, and joined, in
// the step that changes rights or unmaps.

// Insert adds an area over free addresses, and joins it with neighbours that
// have the same rights. It reports false when memory is exhausted.
//
// Locks: as Available.
func (s *Space) Insert(c *percpu.CPU, start, end uintptr, prot Prot) bool {
	if !s.InsertUnusable(c, start, end, prot) {
		return false
	}
	s.Revive(c, start)
	return true
}

// InsertUnusable adds an area that is as BeginUnmap leaves areas, until Revive.
//
// Locks: as Available.
func (s *Space) InsertUnusable(c *percpu.CPU, start, end uintptr, prot Prot) bool {
	a := s.newArea(c)
	if a == nil {
		return false
	}
	a.node.Key = uint64(start)
	a.end, a.prot, a.dying = end, prot, true
	s.mu.Lock(c)
	s.areas.Insert(&a.node)
	s.count++
	s.last = a
	s.mu.Unlock(c)
	return true
}

// Revive makes the area that begins at start usable, and joins it with its neighbours.
//
// Locks: as Available.
func (s *Space) Revive(c *percpu.CPU, start uintptr) {
	s.mu.Lock(c)
	a := s.find(start)
	a.dying = false
	low, high := s.join(start), s.join(a.end)
	s.mu.Unlock(c)
	freeArea(c, low)
	freeArea(c, high)
}

// ProtAt returns the rights of the area that contains addr, none outside areas.
//
// Locks: as Available.
func (s *Space) ProtAt(c *percpu.CPU, addr uintptr) (prot Prot) {
	s.mu.Lock(c)
	if a := s.find(addr); a != nil {
		prot = a.prot
	}
	s.mu.Unlock(c)
	return prot
}

// join merges the two areas that meet at an address if they have the same rights.
// It returns the one that is left over, for freeArea; nil if there is none.
//
// Locks: s.mu held; not asserted: the callers, all in this file, have just taken it.
func (s *Space) join(at uintptr) (unused *Area) {
	if at == 0 {
		return nil
	}
	a, b := s.find(at-1), s.find(at)
	if a == nil || b == nil || a == b || a.prot != b.prot || a.dying || b.dying || a.lent != 0 || b.lent != 0 {
		return nil
	}
	s.drop(b)
	a.end = b.end
	s.areas.Changed(&a.node)
	return b
}

// drop takes an area out of the tree.
func (s *Space) drop(a *Area) {
	s.areas.Remove(&a.node)
	s.count--
	s.last = nil
}

// freeArea frees an area that is in no tree any more; nil is none.
//
// Locks: takes areaCache.mu.
func freeArea(c *percpu.CPU, a *Area) {
	if a != nil {
		areaCache.Free(c, unsafe.Pointer(a))
	}
}

// apart is what it takes to make a part of an area an area of its own: up to two new areas.
type apart struct {
	spare [2]*Area
	n     int
}

// lockPart makes [start, end), a part of an area, an area of its own, in the step in which the caller changes it: if it came apart in an earlier
// step, a CPU that changes a neighbour might join it again. nil says that memory is exhausted.
//
// Locks: takes s.mu; the caller releases it, unless the result is nil.
func (s *Space) lockPart(c *percpu.CPU, k *apart, start, end uintptr) *Area {
	for range len(k.spare) + 1 {
		s.mu.Lock(c)
		if a := s.find(start); missing(a, start, end) <= k.n {
			return s.cut(k, a, start, end)
		}
		s.mu.Unlock(c)
		if !k.fetch(c, s) {
			break
		}
	}
	return nil
}

// cut makes [start, end), a part of a, an area of its own. k has the areas for that.
//
// Locks: s.mu held; not asserted: lockPart has just taken it.
func (s *Space) cut(k *apart, a *Area, start, end uintptr) *Area {
	if a.end > end {
		s.divide(a, end, k.take())
	}
	if a.start() < start {
		b := k.take()
		s.divide(a, start, b)
		return b
	}
	return a
}

// missing is how many areas it takes to cut [start, end) off a.
func missing(a *Area, start, end uintptr) (n int) {
	if a.start() < start {
		n++
	}
	if a.end > end {
		n++
	}
	return n
}

// divide gives what lies from at on to a new area b.
func (s *Space) divide(a *Area, at uintptr, b *Area) {
	b.node.Key = uint64(at)
	b.end, b.prot, b.dying = a.end, a.prot, a.dying
	a.end = at
	s.areas.Changed(&a.node)
	s.areas.Insert(&b.node)
	s.count++
	s.last = nil
}

func (k *apart) take() *Area {
	k.n--
	return k.spare[k.n]
}

// fetch gets one more area. It reports false when memory is exhausted, or s has too many areas, and then k has none.
func (k *apart) fetch(c *percpu.CPU, s *Space) bool {
	a := s.newArea(c)
	if a == nil {
		k.free(c)
		return false
	}
	k.spare[k.n] = a
	k.n++
	return true
}

// free frees the areas that were not needed.
func (k *apart) free(c *percpu.CPU) {
	for k.n > 0 {
		freeArea(c, k.take())
	}
}

// NextArea returns the part of [start, end) that its first area covers. The
// functions below work on such a part, so none of them takes longer when there are
// many areas: the caller goes on to the next part after sched.Breathe.
//
// Locks: as Available.
func (s *Space) NextArea(c *percpu.CPU, start, end uintptr) (from, to uintptr, ok bool) {
	s.mu.Lock(c)
	if a := s.next(start); a != nil && a.start() < end {
		from, to, ok = max(a.start(), start), min(a.end, end), true
		s.remember(c, a)
	}
	s.mu.Unlock(c)
	return from, to, ok
}

// NextPart is NextArea, but the part may end before its area does: the area may have grown since c remembered it.
//
// Locks: takes s.mu, if c remembers no area at start.
func (s *Space) NextPart(c *percpu.CPU, start, end uintptr) (from, to uintptr, ok bool) {
	if to = s.known(c, start); to != 0 && start < end {
		return start, min(to, end), true
	}
	return s.NextArea(c, start, end)
}

// BeginUnmap makes [start, end), a part of an area, unusable, so that Zap can take
// its pages away step by step: page faults in it fail, and the addresses are not
// free. It reports false when memory is exhausted.
//
// Locks: as Available.
func (s *Space) BeginUnmap(c *percpu.CPU, start, end uintptr) bool {
	var k apart
	a := s.lockPart(c, &k, start, end)
	if a == nil {
		return false
	}
	a.dying = true
	s.changes.Add(1)
	s.mu.Unlock(c)
	k.free(c)
	return true
}

// EndUnmap frees the area that begins at start; its pages are gone.
//
// Locks: as Available.
func (s *Space) EndUnmap(c *percpu.CPU, start uintptr) {
	s.mu.Lock(c)
	a := s.find(start)
	s.drop(a)
	s.mu.Unlock(c)
	freeArea(c, a)
}

// SetProt changes the rights of [start, end), a part of an area; Reprotect then
// brings the page tables up to date. It reports false when memory is exhausted. A
// page fault meanwhile has the new rights.
//
// Locks: as Available.
func (s *Space) SetProt(c *percpu.CPU, start, end uintptr, prot Prot) bool {
	var k apart
	a := s.lockPart(c, &k, start, end)
	if a == nil {
		return false
	}
	a.prot = prot
	s.changes.Add(1)
	low, high := s.join(start), s.join(end)
	s.mu.Unlock(c)
	k.free(c)
	freeArea(c, low)
	freeArea(c, high)
	return true
}
