package mem

import (
	"muster/kernel/layout"
	"muster/kernel/percpu"
)

// Changes of page tables in steps. A caller that changes areas holds its lock of their addresses
// (linux.mapLock) across all steps of a change, and lets interrupts in between two of
// them. Page faults come in between too, and Zap of a caller that only drops pages: they see
// the areas, which are changed before the page tables.

// chunk is the number of steps of Zap and Reprotect at a time, which bounds the
// stretch with interrupts off.
const chunk = 256

// walk visits the last-level entries of [at, end) that have a table, in order, for
// up to chunk steps: a step is one entry, or one table that is missing.
//
// Locks: s.mu held from the first call of next to the use of the last entry, or c has s pinned.
type walk struct {
	s       *Space
	at, end uintptr // at follows the entry that next returned
	steps   int
	row     PhysAddr // last-level table of at, 0 to look it up
}

// next returns the next entry, nil when there is none or the steps are used up.
func (w *walk) next() *uint64 {
	for w.at < w.end && w.steps < chunk {
		w.steps++
		if w.row == 0 {
			table, skip := w.s.lastTable(w.at)
			if table == 0 {
				w.at = skip
				continue
			}
			w.row = table
		}
		e := entryAt(w.row, index(w.at, 0))
		w.at += layout.PageSize
		if w.at&(layout.LargePage-1) == 0 {
			w.row = 0
		}
		return e
	}
	return nil
}

// page is the address that the entry from next belongs to.
func (w *walk) page() uintptr { return w.at - layout.PageSize }

// reached is where the next walk continues; end when this walk is complete.
func (w *walk) reached() uintptr { return min(w.at, w.end) }

// lastTable returns the last-level table of va, or 0 and the address at which the
// first table that is missing would end.
func (s *Space) lastTable(va uintptr) (table PhysAddr, skip uintptr) {
	e, skip := s.entryAtLevel(va, 1)
	if e == nil {
		return 0, skip
	}
	v := word(e).Load()
	if v&ptePresent == 0 {
		return 0, skip
	}
	return tableOf(v), 0
}

// Zap takes pages in [start, end) away and frees them, up to chunk at a time. It
// returns where to continue; end when all are gone.
//
// Locks: takes s.mu, if c does not have s pinned; none held. Waits for other CPUs' TLB flushes.
func (s *Space) Zap(c *percpu.CPU, start, end uintptr) uintptr {
	var gone chain
	var lost span
	w := walk{s: s, at: start, end: end}
	pinned := s.pinned(c)
	if !pinned {
		s.mu.Lock(c)
	}
	for e := w.next(); e != nil; e = w.next() {
		if word(e).Load() == 0 {
			continue
		}
		if v := word(e).Swap(0); v != 0 {
			lost.add(w.page())
			if p, ok := owned(v); ok {
				gone.add(c, p)
			}
		}
	}
	if !pinned {
		s.mu.Unlock(c)
	}
	s.charge(c, -gone.n)
	lost.flush(c, s)
	gone.release(c)
	return w.reached()
}

// Reprotect gives the pages in [start, end), a part of an area, the area's rights, up
// to chunk at a time. It returns where to continue; end when all are done. A right that
// a page loses is gone on every CPU then. One that it gets needs no flush: a CPU with
// the old entry in its TLB has a page fault, which drops that entry.
//
// Locks: as Zap.
// Source: Intel SDM vol. 3A, "Operations that Invalidate TLBs and Paging-Structure Caches".
func (s *Space) Reprotect(c *percpu.CPU, start, end uintptr) uintptr {
	var lost span
	w := walk{s: s, at: start, end: end}
	s.mu.Lock(c)
	for e := w.next(); e != nil; e = w.next() {
		if word(e).Load() == 0 {
			continue
		}
		if a := s.find(w.page()); a != nil {
			was, now := rewrite(e, s.pageBits(a.prot))
			if was&^now&(ptePresent|pteWrite)|now&^was&pteNoExec != 0 && was&ptePresent != 0 {
				lost.add(w.page())
			}
		}
	}
	s.mu.Unlock(c)
	lost.flush(c, s)
	return w.reached()
}

// rewrite gives an entry other rights, unless it is empty. Page faults and the CPUs change
// it meanwhile, each at most a few times, because a page fault that finds other areas than
// before does not try again without the lock.
func rewrite(e *uint64, bits uint64) (was, now uint64) {
	for {
		was = word(e).Load()
		now = was&kept | bits
		if was == 0 {
			return 0, 0
		}
		if word(e).CompareAndSwap(was, now) {
			return was, now
		}
	}
}

// moveBatch is how many pages Move moves at a time.
const moveBatch = 64

// Move moves the pages of [start, end) to the addresses from to on, up to moveBatch at a
// time. It returns where to continue; end when all are moved. ok is false when no
// frame is left for a page table. The areas at both places are unusable meanwhile.
//
// No CPU has a translation of the old address when a page comes to the new one: Zap of a caller that drops pages may take
// it there, and flushes only that address before the frame is free.
//
// Locks: as Zap.
func (s *Space) Move(c *percpu.CPU, start, to, end uintptr) (next uintptr, ok bool) {
	var taken [moveBatch]struct {
		into *uint64
		v    uint64
	}
	n := 0
	w := walk{s: s, at: start, end: end}
	var moved span
	var gone chain
	ok = true
	s.mu.Lock(c)
	for n < moveBatch {
		e := w.next()
		if e == nil {
			break
		}
		if word(e).Load() == 0 {
			continue
		}
		into := entryMake(s.root, w.page()-start+to, s.tableBits(), c, &s.tables)
		if ok = into != nil; !ok {
			w.at = w.page()
			break
		}
		taken[n].into, taken[n].v = into, word(e).Swap(0)
		if taken[n].v != 0 { // else a caller that drops pages was first
			n++
			moved.add(w.page())
		}
	}
	s.mu.Unlock(c)
	moved.flush(c, s)
	s.mu.Lock(c)
	for i := range taken[:n] {
		if v := word(taken[i].into).Swap(taken[i].v); v != 0 { // of a page fault that is about to take it back: quick.go
			gone.add(c, tableOf(v))
		}
	}
	s.charge(c, -gone.n)
	s.mu.Unlock(c)
	gone.release(c)
	return w.reached(), ok
}

// FreeTables frees the page tables of [start, end) at one level, 1 to 3, below which
// there is no area, up to chunk/4 at a time. It returns where to continue; end when
// all are gone. Levels are done in ascending order, after EndUnmap: a table is there
// only while an area lies in its range, so the caller's tables below one that is freed are
// gone already, and a page fault cannot bring one back. Another thread may have unmapped a
// neighbour, and not freed its tables yet: then the table above them stays, and that
// thread frees it.
//
// The CPUs flush before a table's frame is used again: each CPU caches the entries
// of upper levels, too (Intel SDM vol. 3A, "Paging-Structure Caches").
//
// Locks: as Zap.
func (s *Space) FreeTables(c *percpu.CPU, level uint, start, end uintptr) uintptr {
	if level == 3 && !s.user {
		return end // all spaces share these entries
	}
	var gone chain
	var freed uintptr // the address of a table
	size := uintptr(1) << (12 + 9*level)
	at := roundDown(start, size)
	s.mu.Lock(c)
	for steps := 0; at < end && steps < chunk/4; steps++ {
		e, skip := s.entryAtLevel(at, level)
		if e != nil && *e&ptePresent != 0 && s.vacant(at, at+size) {
			bare := true
			if level > 1 {
				bare = empty(tableOf(*e))
				steps += emptySteps
			}
			if bare {
				gone.add(c, tableOf(*e))
				word(e).Store(0)
				freed = at
			}
		}
		at = skip
	}
	s.tables -= gone.n
	s.mu.Unlock(c)
	if gone.n > 0 {
		// INVLPG of any page drops the cached entries of upper levels.
		s.flushPages(c, pagesOf(freed, freed+layout.PageSize), lazyToo)
		gone.release(c)
	}
	return min(at, end)
}

// emptySteps is how many steps a look at all entries of a table counts for.
const emptySteps = 8

// empty reports whether a table has no entry.
func empty(table PhysAddr) bool {
	for i := range uintptr(entries) {
		if *entryAt(table, i) != 0 {
			return false
		}
	}
	return true
}

// vacant reports whether no area lies in [start, end).
func (s *Space) vacant(start, end uintptr) bool {
	a := s.next(start)
	return a == nil || a.start() >= end
}

// entryAtLevel returns the entry of va in a table of a level, nil if the table is
// missing, and the end of what the entry, or the missing one above it, covers.
func (s *Space) entryAtLevel(va uintptr, level uint) (e *uint64, skip uintptr) {
	table := s.root
	for l := uint(3); ; l-- {
		size := uintptr(1) << (12 + 9*l)
		e := entryAt(table, index(va, l))
		if l == level {
			return e, roundDown(va, size) + size
		}
		v := word(e).Load()
		if v&ptePresent == 0 {
			return nil, roundDown(va, size) + size
		}
		table = tableOf(v)
	}
}

// flush removes all of the space's old translations everywhere.
func (s *Space) flush(c *percpu.CPU) { s.flushPages(c, everything, lazyToo) }

// flushPages removes old translations everywhere, if lazy is lazyToo from the CPUs that do not
// need them, too. In the kernel's space each CPU needs them.
func (s *Space) flushPages(c *percpu.CPU, what pages, lazy bool) {
	flushOwn(c, what)
	flushOthers(c, s.cpus, what, lazy || !s.user)
}

// span is the pages from the first to the last that a step has changed.
type span struct{ start, end uintptr }

func (r *span) add(page uintptr) {
	if r.end == 0 {
		r.start = page
	}
	r.end = page + layout.PageSize
}

// flush removes the old translations of the pages in r, if there are any, from the CPUs
// that need them.
func (r *span) flush(c *percpu.CPU, s *Space) {
	if r.end != 0 {
		s.flushPages(c, pagesOf(r.start, r.end), lazyLate)
	}
}
