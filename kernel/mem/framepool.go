package mem

import (
	"muster/kernel/layout"
	"muster/kernel/lock"
	"muster/kernel/percpu"
)

// pool has the free frames that no CPU caches. Freed frames are in magazines, and in a list
// through the frame table. Frames that were never used are cut off the regions, so that
// booting does not touch all of memory.
var pool struct {
	mu      lock.Spin
	first   uint32           // of the list
	depot   [depots]magazine // the first inDepot of them
	inDepot int
	regions []region // RAM not yet cut, the first count of them
	count   int
	at      int    // region to cut from
	mapped  uint32 // the table has memory for the words up to here, in this region
	unused  uint64 // frames in the pool
	enough  uint64 // with so many, the CPUs may cache frames
	_       [64]byte
}

// magazine is a list of n free frames.
type magazine struct{ first, n uint32 }

// depots is how many magazines the pool keeps whole.
const depots = 64

// region is RAM that was never allocated, in frame numbers.
type region struct{ next, end uint32 }

// wordsPerPage is how many frames one page of the table describes.
const wordsPerPage = layout.PageSize / 4

// takeFrame takes a frame, whose word the caller sets.
//
// Locks: pool.mu held.
func takeFrame(c *percpu.CPU) (n uint32) {
	pool.mu.AssertHeld(c)
	if n = pool.first; n != frameNone {
		pool.first = *frameWord(n)
		pool.unused--
		return n
	}
	if pool.inDepot == 0 {
		return cutFrame()
	}
	m := &pool.depot[pool.inDepot-1]
	n = m.first
	m.first = *frameWord(n)
	if m.n--; m.n == 0 {
		pool.inDepot--
	}
	pool.unused--
	return n
}

// takeFrames takes a magazine that is full, or batch frames. The pool has more than that.
//
// Locks: pool.mu held.
func takeFrames(c *percpu.CPU, batch uint32) (m magazine) {
	pool.mu.AssertHeld(c)
	if pool.inDepot > 0 {
		pool.inDepot--
		m = pool.depot[pool.inDepot]
		pool.unused -= uint64(m.n)
		return m
	}
	for ; m.n < batch; m.n++ {
		n := takeFrame(c)
		*frameWord(n) = m.first
		m.first = n
	}
	return m
}

// putFrames takes frames back.
//
// Locks: pool.mu held.
func putFrames(c *percpu.CPU, m magazine) {
	pool.mu.AssertHeld(c)
	pool.unused += uint64(m.n)
	if m.n >= frames.full && pool.inDepot < depots {
		pool.depot[pool.inDepot] = m
		pool.inDepot++
		return
	}
	for n := m.first; m.n > 0; m.n-- {
		w := frameWord(n)
		next := *w
		*w = pool.first
		pool.first = n
		n = next
	}
}

// cutFrame takes the next frame of the regions. If the page of the frame table for
// it is missing, the frame becomes that page, and the next frame is taken.
func cutFrame() uint32 {
	for pool.at < pool.count {
		r := &pool.regions[pool.at]
		if r.next >= r.end {
			pool.at++
			pool.mapped = 0
			continue
		}
		n := r.next
		r.next++
		pool.unused--
		if n >= pool.mapped {
			page := frames.table + uintptr(n/wordsPerPage)*layout.PageSize
			pool.mapped = (n/wordsPerPage + 1) * wordsPerPage
			if !backTable(page, n) {
				continue
			}
		}
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
