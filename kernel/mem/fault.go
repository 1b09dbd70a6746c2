package mem

import (
	"sync/atomic"

	"muster/kernel/layout"
	"muster/kernel/lock"
	"muster/kernel/percpu"
	"muster/kernel/trace"
)

// Page-fault error code (Intel SDM vol. 3A, "Page-Fault Exceptions").
const (
	faultPresent = 1 << 0
	faultWrite   = 1 << 1
	faultUser    = 1 << 2
	faultFetch   = 1 << 4
)

// Outcome of a page fault.
type Outcome uint8

// Outcomes.
const (
	Resolved  Outcome = iota // the access can be tried again
	Unmapped                 // no area there
	Forbidden                // an area, without the right
	Exhausted                // no memory for the page
)

// Fault brings in the page of addr if the areas allow the access that code, the
// error code of the page fault, describes.
//
// Locks: takes s.mu; none held.
func (s *Space) Fault(c *percpu.CPU, addr uintptr, code uint64) Outcome {
	lock.AssertNone(c)
	trace.Add(c, trace.Fault, uint64(addr), code)
	if addr < s.from || addr >= s.to || s.user && code&faultUser == 0 && !s.Holds(addr, 1) {
		return Unmapped
	}
	need := ProtRead
	if code&faultWrite != 0 {
		need = ProtWrite
	}
	if code&faultFetch != 0 {
		need = ProtExec
	}
	// The page is prepared before the lock is taken; most faults need one.
	var page PhysAddr
	if code&faultPresent == 0 {
		var ok bool
		if page, ok = s.allocPage(c); !ok {
			return Exhausted
		}
	}
	s.mu.Lock(c)
	out := s.resolve(c, addr, need, &page)
	s.mu.Unlock(c)
	if page != 0 {
		FreeFrame(c, page)
	}
	return out
}

func (s *Space) allocPage(c *percpu.CPU) (PhysAddr, bool) {
	if s.user {
		return AllocUser(c)
	}
	return AllocZeroed(c)
}

// resolve does the work of Fault under the lock. It takes *page, or leaves it to the
// caller.
//
// Locks: s.mu held; not asserted: Fault, the only caller, has just taken it.
func (s *Space) resolve(c *percpu.CPU, addr uintptr, need Prot, page *PhysAddr) Outcome {
	a := s.find(addr)
	if a == nil || a.dying {
		return Unmapped
	}
	if a.prot&need == 0 {
		return Forbidden
	}
	e := entryMake(s.root, addr, s.tableBits(), c)
	if e == nil {
		return Exhausted
	}
	switch v := *e; {
	case v&ptePresent != 0:
		// Another CPU was first, or this CPU had an old entry in its TLB.
		if want := v&pteAddr | s.pageBits(a.prot); v&^(1<<5|1<<6) != want {
			atomic.StoreUint64(e, want)
		}
	case v&pteHidden != 0:
		atomic.StoreUint64(e, v&pteAddr|s.pageBits(a.prot))
	default:
		if *page == 0 {
			return Resolved // unmapped meanwhile; the next fault brings a page
		}
		s.fill(e, page, a.prot)
	}
	s.Faults++
	return Resolved
}

// fill puts *page into an empty entry, takes it from the caller, and charges it.
func (s *Space) fill(e *uint64, page *PhysAddr, prot Prot) {
	atomic.StoreUint64(e, uint64(*page)|s.pageBits(prot))
	*page = 0
	atomic.AddUint64(&s.charged, 1)
}

func (s *Space) tableBits() uint64 {
	if s.user {
		return pteUserTable
	}
	return pteTable
}

// pageBits encodes rights. x86 cannot express "no reading": any right implies
// reading.
func (s *Space) pageBits(p Prot) uint64 {
	if p == 0 {
		return pteHidden | pteNoExec
	}
	bits := uint64(ptePresent)
	if s.user {
		bits |= pteUser
	}
	if p&ProtWrite != 0 {
		bits |= pteWrite
	}
	if p&ProtExec == 0 {
		bits |= pteNoExec
	}
	return bits
}

// chunk is the number of steps of Zap and Reprotect at a time, which bounds the
// stretch with interrupts off.
const chunk = 256

// walk visits the last-level entries of [at, end) that have a table, in order, for
// up to chunk steps: a step is one entry, or one table that is missing.
//
// Locks: s.mu held from the first call of next to the use of the last entry.
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
	table = s.root
	for level := uint(3); level > 0; level-- {
		e := *entryAt(table, index(va, level))
		if e&ptePresent == 0 {
			size := uintptr(1) << (12 + 9*level)
			return 0, (va + size) &^ (size - 1)
		}
		table = tableOf(e)
	}
	return table, 0
}

// Zap takes pages in [start, end) away and frees them, up to chunk at a time. It
// returns where to continue; end when all are gone.
//
// Locks: takes s.mu; none held. Waits for other CPUs' TLB flushes.
func (s *Space) Zap(c *percpu.CPU, start, end uintptr) uintptr {
	var gone chain
	w := walk{s: s, at: start, end: end}
	s.mu.Lock(c)
	for e := w.next(); e != nil; e = w.next() {
		if v := atomic.SwapUint64(e, 0); v != 0 {
			gone.add(c, PhysAddr(v&pteAddr))
		}
	}
	atomic.AddUint64(&s.charged, -gone.n)
	s.mu.Unlock(c)
	if gone.n > 0 {
		s.flush(c)
		gone.release(c)
	}
	return w.reached()
}

// Reprotect gives the pages in [start, end) the rights of their areas, up to chunk
// at a time. It returns where to continue; end when all are done.
//
// Locks: as Zap.
func (s *Space) Reprotect(c *percpu.CPU, start, end uintptr) uintptr {
	changed := false
	w := walk{s: s, at: start, end: end}
	s.mu.Lock(c)
	for e := w.next(); e != nil; e = w.next() {
		if *e == 0 {
			continue
		}
		if a := s.find(w.page()); a != nil {
			atomic.StoreUint64(e, *e&pteAddr|s.pageBits(a.prot))
			changed = true
		}
	}
	s.mu.Unlock(c)
	if changed {
		s.flush(c)
	}
	return w.reached()
}

// flush removes the space's old translations everywhere.
func (s *Space) flush(c *percpu.CPU) {
	flushOwn(c)
	flushOthers(c, s.cpus)
}

// Page brings in the page of addr, with any rights of its area, and returns the
// page's physical address. The caller keeps the space from changing.
//
// Locks: takes s.mu.
func (s *Space) Page(c *percpu.CPU, addr uintptr) (p PhysAddr, ok bool) {
	page, ok := s.allocPage(c)
	if !ok {
		return 0, false
	}
	s.mu.Lock(c)
	ok = false
	if a := s.find(addr); a != nil && !a.dying {
		if e := entryMake(s.root, addr, s.tableBits(), c); e != nil {
			if *e == 0 {
				s.fill(e, &page, a.prot)
			}
			p, ok = PhysAddr(*e&pteAddr), true
		}
	}
	s.mu.Unlock(c)
	if page != 0 {
		FreeFrame(c, page)
	}
	return p, ok
}

// Present returns 1 for each page of [addr, addr+n*PageSize) that is in memory,
// up to 64 pages, in the bits of the result. ok is false if one lies in no area.
//
// Locks: takes s.mu.
func (s *Space) Present(c *percpu.CPU, addr uintptr, n int) (bits uint64, ok bool) {
	s.mu.Lock(c)
	ok = true
	for i := range n {
		va := addr + uintptr(i)*layout.PageSize
		if a := s.find(va); a == nil || a.dying {
			ok = false
			break
		}
		if table, _ := s.lastTable(va); table != 0 && *entryAt(table, index(va, 0)) != 0 {
			bits |= 1 << i
		}
	}
	s.mu.Unlock(c)
	return bits, ok
}
