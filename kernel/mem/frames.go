package mem

import (
	"muster/kernel/layout"
	"muster/kernel/lock"
	"muster/kernel/percpu"
	"muster/kernel/upcall"
)

// Frame numbers are physical addresses in pages. The frame table has a word for
// each: the next free frame in a list, or one of these.
const (
	frameNone uint32 = 0          // end of a list; also: never allocated
	frameUsed uint32 = 0xffffffff // allocated
)

// frames allocates pages of RAM. Freed pages go to a list through the table. Pages
// that were never used are cut off the regions, so that booting does not touch all
// of memory.
var frames struct {
	mu      lock.Spin
	free    uint32   // first frame of the list
	regions []region // RAM not yet cut, the first count of them
	count   int
	at      int     // region to cut from
	table   uintptr // address of frame 0's word
	mapped  uint32  // the table has memory for the words up to here, in this region

	total   uint64 // frames under management
	unused  uint64 // of them, free
	reserve uint64 // of the free ones, not for ring 3
}

// region is RAM that was never allocated, in frame numbers.
type region struct{ next, end uint32 }

// wordsPerPage is how many frames one page of the table describes.
const wordsPerPage = layout.PageSize / 4

func frameWord(n uint32) *uint32 { return ptr[uint32](frames.table + uintptr(n)*4) }

// AllocFrame returns a page of RAM with undefined contents. ok is false when
// none is left.
//
// Locks: takes frames.mu.
func AllocFrame(c *percpu.CPU) (p PhysAddr, ok bool) {
	frames.mu.Lock(c)
	n := frames.free
	if n != frameNone {
		w := frameWord(n)
		frames.free = *w
		*w = frameUsed
		frames.unused--
	} else {
		n = cutFrame()
	}
	frames.mu.Unlock(c)
	return PhysAddr(n) << layout.PageShift, n != frameNone
}

// cutFrame takes the next frame of the regions. If the page of the frame table for
// it is missing, the frame becomes that page, and the next frame is taken.
func cutFrame() uint32 {
	for frames.at < frames.count {
		r := &frames.regions[frames.at]
		if r.next >= r.end {
			frames.at++
			frames.mapped = 0
			continue
		}
		n := r.next
		r.next++
		frames.unused--
		if n >= frames.mapped {
			page := frames.table + uintptr(n/wordsPerPage)*layout.PageSize
			frames.mapped = (n/wordsPerPage + 1) * wordsPerPage
			if !backTable(page, n) {
				continue
			}
		}
		*frameWord(n) = frameUsed
		return n
	}
	return frameNone
}

// backTable maps frame n at page of the frame table, unless a region that ended in
// the same page has done so. It reports whether n is still free for use. The page
// tables above exist: Init made them for all of RAM.
func backTable(page uintptr, n uint32) (unused bool) {
	e := entryOf(kernelRoot, page)
	if *e != 0 {
		return true
	}
	p := PhysAddr(n) << layout.PageShift
	clearPage(Direct(p))
	*e = uint64(p) | pteRAM
	return false
}

// AllocZeroed returns a page of zeros. ok is false when none is left.
func AllocZeroed(c *percpu.CPU) (p PhysAddr, ok bool) {
	p, ok = AllocFrame(c)
	if ok {
		clearPage(Direct(p))
	}
	return p, ok
}

// AllocUser is AllocZeroed for ring 3: it leaves the kernel's reserve alone.
func AllocUser(c *percpu.CPU) (p PhysAddr, ok bool) {
	if !Plenty(c) {
		return 0, false
	}
	return AllocZeroed(c)
}

// Plenty reports whether more than the kernel's reserve is free. Every allocation
// for a program, of objects and page tables as well as of pages, checks it first.
// CPUs that check at the same time may each take a page more. If c.Urgent is set,
// half of the reserve is enough.
//
// Locks: takes frames.mu.
func Plenty(c *percpu.CPU) bool {
	frames.mu.Lock(c)
	yes := frames.unused > frames.reserve>>c.Urgent
	frames.mu.Unlock(c)
	return yes
}

// mustZeroed is AllocZeroed for allocations that the kernel cannot do without.
func mustZeroed(c *percpu.CPU) PhysAddr {
	p, ok := AllocZeroed(c)
	if !ok {
		upcall.Panic(c, "mem: no frame left for the kernel; total, free", frames.total, frames.unused)
	}
	return p
}

// FreeFrame takes back a page from AllocFrame.
//
// Locks: takes frames.mu.
func FreeFrame(c *percpu.CPU, p PhysAddr) {
	n := uint32(p >> layout.PageShift)
	w := frameWord(n)
	frames.mu.Lock(c)
	if *w != frameUsed {
		freedTwice(c, p, *w)
	}
	*w = frames.free
	frames.free = n
	frames.unused++
	frames.mu.Unlock(c)
}

func freedTwice(c *percpu.CPU, p PhysAddr, word uint32) {
	upcall.Panic(c, "mem: frame freed twice; address, table word", uint64(p), uint64(word))
}

// chain is a list of frames that wait for a TLB flush before they are free. It is
// linked through the frame table, so it needs no memory of its own.
type chain struct {
	first, last uint32
	n           uint64
}

func (l *chain) add(c *percpu.CPU, p PhysAddr) {
	n := uint32(p >> layout.PageShift)
	w := frameWord(n)
	if *w != frameUsed {
		freedTwice(c, p, *w)
	}
	*w = l.first
	if l.first == frameNone {
		l.last = n
	}
	l.first = n
	l.n++
}

// release frees the frames of l in one step.
//
// Locks: takes frames.mu.
func (l *chain) release(c *percpu.CPU) {
	if l.n == 0 {
		return
	}
	frames.mu.Lock(c)
	*frameWord(l.last) = frames.free
	frames.free = l.first
	frames.unused += l.n
	frames.mu.Unlock(c)
	*l = chain{}
}

// Stats is the amount of RAM, in pages.
type Stats struct {
	Total, Free, Reserve uint64
}

// ReadStats returns the current numbers.
func ReadStats(c *percpu.CPU) (s Stats) {
	frames.mu.Lock(c)
	s = Stats{frames.total, frames.unused, frames.reserve}
	frames.mu.Unlock(c)
	return s
}

// clearPage zeroes the page at va.
func clearPage(va uintptr)
