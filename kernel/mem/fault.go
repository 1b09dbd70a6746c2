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
	Resolved  Outcome = iota // the access may be tried again
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
	// The page is made ready before the lock is taken; most faults need one.
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

// resolve does what Fault does under the lock. It takes *page, or leaves it to the caller.
//
// Locks: s.mu held.
func (s *Space) resolve(c *percpu.CPU, addr uintptr, need Prot, page *PhysAddr) Outcome {
	s.mu.AssertHeld(c)
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
		// Another CPU was first, or this one had an old entry in its TLB.
		if want := v&pteAddr | s.pageBits(a.prot); v&^(1<<5|1<<6) != want {
			atomic.StoreUint64(e, want)
		}
	case v&pteHidden != 0:
		atomic.StoreUint64(e, v&pteAddr|s.pageBits(a.prot))
	default:
		if *page == 0 {
			return Resolved // unmapped meanwhile; the next try brings a page
		}
		atomic.StoreUint64(e, uint64(*page)|s.pageBits(a.prot))
		*page = 0
		atomic.AddUint64(&s.charged, 1)
	}
	s.Faults++
	return Resolved
}

func (s *Space) tableBits() uint64 {
	if s.user {
		return pteUserTable
	}
	return pteTable
}

// pageBits encodes rights. x86 cannot express "no reading": any right implies it.
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

// chunk is how many pages Zap and Reprotect handle in one step: a bounded
// stretch with interrupts off.
const chunk = 256

// Zap takes pages in [start, end) away and frees them, up to chunk at a time. It
// returns where to go on; end when all are gone.
//
// Locks: takes s.mu; none held. Waits for other CPUs' TLB flushes.
func (s *Space) Zap(c *percpu.CPU, start, end uintptr) uintptr {
	var gone chain
	steps := 0
	s.mu.Lock(c)
	for start < end && steps < chunk {
		steps++
		e, skip := s.step(start)
		if e == nil {
			start = skip
			continue
		}
		if v := atomic.SwapUint64(e, 0); v != 0 {
			gone.add(c, PhysAddr(v&pteAddr))
		}
		start += layout.PageSize
	}
	atomic.AddUint64(&s.charged, -gone.n)
	s.mu.Unlock(c)
	if gone.n > 0 {
		s.flush(c)
		gone.release(c)
	}
	return min(start, end)
}

// Reprotect gives the pages in [start, end) the rights of their areas, up to
// chunk at a time. It returns where to go on; end when all are done.
//
// Locks: as Zap.
func (s *Space) Reprotect(c *percpu.CPU, start, end uintptr) uintptr {
	changed := false
	steps := 0
	s.mu.Lock(c)
	for start < end && steps < chunk {
		steps++
		e, skip := s.step(start)
		if e == nil {
			start = skip
			continue
		}
		if v := *e; v != 0 {
			if a := s.find(start); a != nil {
				atomic.StoreUint64(e, v&pteAddr|s.pageBits(a.prot))
				changed = true
			}
		}
		start += layout.PageSize
	}
	s.mu.Unlock(c)
	if changed {
		s.flush(c)
	}
	return min(start, end)
}

// step returns the last-level entry of va, or nil and the address at which the
// next table begins.
func (s *Space) step(va uintptr) (e *uint64, skip uintptr) {
	t := s.root
	for level := uint(3); ; level-- {
		e := entryAt(t, index(va, level))
		if level == 0 {
			return e, 0
		}
		if *e&ptePresent == 0 {
			size := uintptr(1) << (12 + 9*level)
			return nil, (va + size) &^ (size - 1)
		}
		t = tableOf(*e)
	}
}

// flush removes the space's old translations everywhere.
func (s *Space) flush(c *percpu.CPU) {
	flushOwn(c)
	flushOthers(c, s.cpus)
}

// Page brings in the page of addr, whatever its area's rights, and returns where
// it is. The caller keeps the space from changing.
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
				atomic.StoreUint64(e, uint64(page)|s.pageBits(a.prot))
				page = 0
				atomic.AddUint64(&s.charged, 1)
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
		if e, _ := s.step(va); e != nil && *e != 0 {
			bits |= 1 << i
		}
	}
	s.mu.Unlock(c)
	return bits, ok
}
