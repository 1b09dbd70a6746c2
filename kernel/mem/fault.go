package mem

import (
	"sync/atomic"

	"muster/kernel/layout"
	"muster/kernel/lock"
	"muster/kernel/percpu"
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
	e := entryMake(s.root, addr, s.tableBits(), c, &s.tables)
	if e == nil {
		return Exhausted
	}
	switch v := *e; {
	case v&ptePresent != 0:
		// Another CPU was first, or this CPU had an old entry in its TLB. Rights that the
		// page loses stay until Reprotect, which flushes: other CPUs may use them still.
		if now := gain(v, s.pageBits(a.prot)); now != v {
			atomic.StoreUint64(e, now)
		}
	case v&pteHidden != 0:
		atomic.StoreUint64(e, v&kept|s.pageBits(a.prot))
	case a.lent != 0:
		s.lend(e, a)
	default:
		if *page == 0 {
			return Resolved // unmapped meanwhile; the next fault brings a page
		}
		s.fill(e, page, a.prot)
	}
	s.Faults++
	return Resolved
}

// gain returns an entry with the rights of bits besides its own.
func gain(entry, bits uint64) uint64 { return (entry|bits)&^pteNoExec | entry&bits&pteNoExec }

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
		if e := entryMake(s.root, addr, s.tableBits(), c, &s.tables); e != nil {
			switch {
			case *e != 0:
			case a.lent != 0:
				s.lend(e, a)
			default:
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

// Present says which of up to 64 pages from addr on are in memory, in the bits of the
// result, up to the first page that lies in no area: n is how many lie before it.
//
// Locks: takes s.mu.
func (s *Space) Present(c *percpu.CPU, addr uintptr, most int) (bits uint64, n int) {
	s.mu.Lock(c)
	for ; n < most; n++ {
		va := addr + uintptr(n)*layout.PageSize
		if a := s.find(va); a == nil || a.dying {
			break
		}
		if table, _ := s.lastTable(va); table != 0 && *entryAt(table, index(va, 0)) != 0 {
			bits |= 1 << n
		}
	}
	s.mu.Unlock(c)
	return bits, n
}
