package mem

import (
	"muster/kernel/layout"
	"muster/kernel/percpu"
)

// Lent pages: a program may have a page of the kernel's in its space, to read or to execute.
// The kernel keeps the frame: it is not charged to the program, and not freed with the area.
// No right to write can be given to it. An area of a lent page has one page, is joined with no
// other, and does not move. Its pages come at first touch, as those of other areas do.

// pteLent marks the entry of a frame that the space does not own.
const pteLent = 1 << 10

// MapClock makes the page at layout.ClockPage, of zeros.
//
// Context: boot CPU, once, after Init.
func MapClock(c *percpu.CPU) { mapPage(c, layout.ClockPage, mustZeroed(c), pteRAM) }

// Lend adds an area of one page at addr, which is free, with the frame that the kernel has at
// the page from. prot has no right to write. It reports false when memory is exhausted.
//
// Locks: as Available.
func (s *Space) Lend(c *percpu.CPU, addr uintptr, prot Prot, from uintptr) bool {
	p, ok := physical(kernelRoot, from)
	if !ok {
		return false
	}
	a := s.newArea(c)
	if a == nil {
		return false
	}
	a.node.Key = uint64(addr)
	a.end, a.prot = addr+layout.PageSize, prot&^ProtWrite
	a.lent, a.may = p, a.prot
	s.mu.Lock(c)
	s.areas.Insert(&a.node)
	s.count++
	s.last = nil
	s.mu.Unlock(c)
	return true
}

// Lent reports whether the area that contains addr is one of a lent page, and which rights
// it may have.
//
// Locks: as Available.
func (s *Space) Lent(c *percpu.CPU, addr uintptr) (may Prot, lent bool) {
	s.mu.Lock(c)
	if a := s.find(addr); a != nil {
		may, lent = a.may, a.lent != 0
	}
	s.mu.Unlock(c)
	return may, lent
}

// lend puts the frame of a lent page into its entry, which is empty.
func (s *Space) lend(e *uint64, a *Area) {
	word(e).CompareAndSwap(0, uint64(a.lent)|pteLent|s.pageBits(a.prot))
}

// owned returns the frame of a last-level entry, if the space owns it.
func owned(entry uint64) (p PhysAddr, ok bool) { return PhysAddr(entry & pteAddr), entry&pteLent == 0 }

// kept is what an entry keeps when the rights change.
const kept = pteAddr | pteLent
