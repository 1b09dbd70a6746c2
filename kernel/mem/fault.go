package mem

import (
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
	if page != 0 && s.quick(c, addr, need, &page) {
		return Resolved
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
	return AllocRuntime(c)
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
	s.remember(c, a)
	// Other CPUs may change the entry without the lock, so a store happens if it is what it
	// was. If it is not, the instruction faults again.
	switch v := word(e).Load(); {
	case v&ptePresent != 0:
		// Another CPU was first, or this CPU had an old entry in its TLB. Rights that the
		// page loses stay until Reprotect, which flushes: other CPUs may use them still.
		if now := gain(v, s.pageBits(a.prot)); now != v {
			word(e).CompareAndSwap(v, now)
		}
	case v&pteHidden != 0:
		word(e).CompareAndSwap(v, v&kept|s.pageBits(a.prot))
	case a.lent != 0:
		s.lend(e, a)
	default:
		if *page == 0 {
			return Resolved // unmapped meanwhile; the next fault brings a page
		}
		s.fill(c, e, page, a.prot)
	}
	s.resolved()
	return Resolved
}

// resolved counts a page fault of the kernel's space.
func (s *Space) resolved() {
	if !s.user {
		s.faults.Add(1)
	}
}

// gain returns an entry with the rights of bits besides its own.
func gain(entry, bits uint64) uint64 { return (entry|bits)&^pteNoExec | entry&bits&pteNoExec }

// fill puts *page into an entry if it is empty, takes it from the caller, and charges it.
func (s *Space) fill(c *percpu.CPU, e *uint64, page *PhysAddr, prot Prot) {
	if word(e).CompareAndSwap(0, uint64(*page)|s.pageBits(prot)) {
		*page = 0
		s.charge(c, 1)
	}
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
// page's physical address. Other threads may take the page away again at once.
//
// Locks: takes s.mu.
func (s *Space) Page(c *percpu.CPU, addr uintptr) (p PhysAddr, out Outcome) {
	page, ok := s.allocPage(c)
	if !ok {
		return 0, Exhausted
	}
	out = Unmapped
	s.mu.Lock(c)
	if a := s.find(addr); a != nil && !a.dying {
		out = Exhausted
		if e := entryMake(s.root, addr, s.tableBits(), c, &s.tables); e != nil {
			if p = s.bringIn(c, e, a, &page); p != 0 {
				out = Resolved
			}
		}
	}
	s.mu.Unlock(c)
	if page != 0 {
		FreeFrame(c, page)
	}
	return p, out
}

// bringIn is Page for an entry, and returns the entry's frame. A page fault without the lock may take a page back
// that was coming, and another one may begin then: each CPU does so once at most, as it takes the lock after that.
//
// Locks: s.mu held; not asserted: Page has just taken it.
func (s *Space) bringIn(c *percpu.CPU, e *uint64, a *Area, page *PhysAddr) (p PhysAddr) {
	for range maxCPUs + 1 {
		v := word(e).Load()
		switch {
		case v&pteComing != 0: // its page fault will find that it is brought in
			word(e).CompareAndSwap(v, v&kept|s.pageBits(a.prot))
		case v != 0:
		case a.lent != 0:
			s.lend(e, a)
		default:
			s.fill(c, e, page, a.prot)
		}
		if v = word(e).Load(); v != 0 && v&pteComing == 0 {
			return PhysAddr(v & pteAddr)
		}
	}
	return 0
}

// Present says which of up to 64 pages from addr on are in memory, in the bits of the
// result, up to the first page that lies in no area: n is how many lie before it. It may be less if what
// c remembers of the area ends earlier, but not 0 then.
//
// Locks: takes s.mu, if c remembers no area at addr.
func (s *Space) Present(c *percpu.CPU, addr uintptr, most int) (bits uint64, n int) {
	if end := s.known(c, addr); end != 0 && s.pinned(c) {
		n = min(most, int((end-addr)/layout.PageSize))
		return s.inMemory(addr, n), n
	}
	s.mu.Lock(c)
	for ; n < most; n++ {
		a := s.find(addr + uintptr(n)*layout.PageSize)
		if a == nil || a.dying {
			break
		}
		if n == 0 {
			s.remember(c, a)
		}
	}
	bits = s.inMemory(addr, n)
	s.mu.Unlock(c)
	return bits, n
}

// inMemory says which of n pages are in memory.
//
// Context: the caller holds s.mu, or c has s pinned.
func (s *Space) inMemory(addr uintptr, n int) (bits uint64) {
	w := walk{s: s, at: addr, end: addr + uintptr(n)*layout.PageSize}
	for e := w.next(); e != nil; e = w.next() {
		if word(e).Load() != 0 {
			bits |= 1 << ((w.page() - addr) / layout.PageSize)
		}
	}
	return bits
}
