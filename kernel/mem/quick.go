package mem

import (
	"unsafe"

	"muster/kernel/percpu"
)

// Without the space's lock: page faults, and calls that look at pages or drop them.
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
//
// Calls that look for the area of an address (NextPart, Present) also take what their CPU remembers if the number of changes is the
// same. An area may have grown since, so they find a part of it, and then look for the next part. They, and Zap, walk through
// page tables without the lock, as a page fault does. Zap takes a page by a swap, so of all that change an entry at once, one
// gets its frame.

// remember notes an area in which c brings a page in, or that it has looked up.
//
// Locks: s.mu held; not asserted: the caller has just taken it.
func (s *Space) remember(c *percpu.CPU, a *Area) {
	if a.lent != 0 || a.dying {
		return
	}
	c.AreaSpace, c.AreaSeq = s.number, s.changes.Load()
	c.AreaStart, c.AreaEnd = a.start(), a.end
	c.AreaProt, c.AreaBits = uint8(a.prot), s.pageBits(a.prot)
}

// known returns the end of the area at addr that c remembers, 0 if it remembers none there, or the
// space's areas have changed.
func (s *Space) known(c *percpu.CPU, addr uintptr) (end uintptr) {
	if c.AreaSpace != s.number || addr < c.AreaStart || addr >= c.AreaEnd || s.changes.Load() != c.AreaSeq {
		return 0
	}
	return c.AreaEnd
}

// pinned reports whether page tables of s that c finds stay until c answers a flush: c has s loaded and needs it, so that a
// CPU that frees one of them waits for c.
func (s *Space) pinned(c *percpu.CPU) bool {
	return !s.user || c.Space == uintptr(unsafe.Pointer(s)) && c.Lazy.Load() == 0
}

// quick brings in *page at addr, if c remembers the area. It reports false if the lock is needed. It
// takes the page, or leaves it to the caller.
//
// Context: a page fault in the space that c has loaded; interrupts off, no lock held.
func (s *Space) quick(c *percpu.CPU, addr uintptr, need Prot, page *PhysAddr) bool {
	if Prot(c.AreaProt)&need == 0 || s.known(c, addr) == 0 {
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
