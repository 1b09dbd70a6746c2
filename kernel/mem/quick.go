package mem

import "muster/kernel/percpu"

// A page fault without the space's lock.
//
// Each CPU remembers the area in which it brought in a page last: its limits and its rights, and
// the number of changes that the space's areas had seen by then. Only a change that takes something away
// counts: an area is to be unmapped, or gets other rights. A change counts before its first step in the page tables.
//
//	page fault                             unmapping, or new rights
//	changes is what I remember?            changes = changes + 1
//	entry: 0 -> coming                     entry: whatever it is -> 0, or new rights
//	changes still the same?
//	   entry: coming -> present
//	   otherwise coming -> 0, and again with the lock
//
// An entry that is coming has a frame and is not present, so no CPU uses it. If the change is counted before the second look, the
// page fault takes the frame back. If it is counted after that, it finds the entry, coming or
// present, and treats it as it treats any other. The CPU that changes an entry that is coming owns the frame, and
// the page fault's second compare-and-swap fails. It cannot succeed by mistake: the frame is unique, and
// its value comes back only after the frame was free, which comes after a flush.
//
// This CPU answers no flush between its two looks, since it takes no lock. So what it found in the
// page tables by the first look stays: a CPU that frees a frame or a page table has made all CPUs of the space flush, and one
// that has a page fault is never lazy.

// remember notes the area of a page that c brings in.
//
// Locks: s.mu held; not asserted: the caller has just taken it.
func (s *Space) remember(c *percpu.CPU, a *Area) {
	if a.lent != 0 {
		return
	}
	c.AreaSpace, c.AreaSeq = s.number, s.changes.Load()
	c.AreaStart, c.AreaEnd = a.start(), a.end
	c.AreaProt, c.AreaBits = uint8(a.prot), s.pageBits(a.prot)
}

// quick brings in *page at addr, if c remembers the area. It reports false if the lock is needed. It
// takes the page, or leaves it to the caller.
//
// Context: a page fault in the space that c has loaded; interrupts off, no lock held.
func (s *Space) quick(c *percpu.CPU, addr uintptr, need Prot, page *PhysAddr) bool {
	if c.AreaSpace != s.number || addr < c.AreaStart || addr >= c.AreaEnd || Prot(c.AreaProt)&need == 0 || s.changes.Load() != c.AreaSeq {
		return false
	}
	e := entryOf(s.root, addr)
	if e == nil {
		return false
	}
	w := word(e)
	coming := uint64(*page) | pteHidden | pteComing | pteNoExec
	if w.Load() != 0 || !w.CompareAndSwap(0, coming) {
		return false
	}
	if s.changes.Load() != c.AreaSeq && w.CompareAndSwap(coming, 0) {
		return false
	}
	w.CompareAndSwap(coming, uint64(*page)|c.AreaBits) // or it has been changed, and is another's
	*page = 0
	s.charge(c, 1)
	s.resolved()
	return true
}
