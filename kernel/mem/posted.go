package mem

import (
	"muster/kernel/atom"
	"muster/kernel/layout"
	"muster/kernel/percpu"
)

// What the requests to a CPU are about: a few words in its block, into which other CPUs put
// pages, and which the CPU empties before it flushes. A CPU posts before it makes its
// request, so the CPU that reads the request's number finds the page, or has dropped it already.
// If there is no room, the CPU drops all of its TLB.

// pages is translations to drop: the number of the first page, with a count in the low byte,
// or everything.
type pages uint64

const (
	everything pages = 1 << 63

	// flushMost is how many pages are dropped one by one. More are dropped together with all
	// others: docs/measurements.md has what each costs.
	flushMost = 32

	pageBits48 = 36 // of an address's 48 bits, those that name a page
)

// pagesOf returns the pages of [start, end).
func pagesOf(start, end uintptr) pages {
	n := (end - start) / layout.PageSize
	if start >= end || n > flushMost {
		return everything
	}
	return pages(start>>layout.PageShift&(1<<pageBits48-1)<<8 | n)
}

func (p pages) count() uintptr { return uintptr(p & 0xff) }

// first is the address of the first page.
func (p pages) first() uintptr {
	return uintptr(int64(p>>8<<(64-pageBits48)) >> (64 - pageBits48 - layout.PageShift))
}

// invalidate drops the pages from this CPU's TLB.
//
// Context: on c, interrupts off.
func (p pages) invalidate(c *percpu.CPU) {
	va := p.first()
	for n := p.count(); n > 0; n-- {
		invalidate(c, va)
		va += layout.PageSize
	}
}

// raise makes a word 1 that its CPU makes 0. If it is 1 already, nothing is written, so that
// CPUs that all find it so do not contend for its line.
func raise(w *atom.Uint64) {
	if w.Load() == 0 {
		w.Store(1)
	}
}

// post adds pages to what a CPU is to drop.
//
// Context: any CPU, interrupts off, before its request: see request.
func post(to *percpu.CPU, what pages) {
	if what != everything {
		for i := range to.FlushPages {
			w := &to.FlushPages[i]
			if v := w.Load(); v == uint64(what) || v == 0 && w.CompareAndSwap(0, uint64(what)) {
				return
			}
		}
	}
	raise(&to.FlushAll)
}

// flushPosted drops what others have posted.
//
// Context: on c, interrupts off, after the load of the requests that it answers.
//
// Source: Intel SDM vol. 3A, "Operations that Invalidate TLBs and Paging-Structure Caches": INVLPG drops the
// page's entries, and all entries of the paging-structure caches.
func flushPosted(c *percpu.CPU) {
	var list [percpu.FlushSlots]pages
	n, sum := 0, uintptr(0)
	for i := range c.FlushPages {
		w := &c.FlushPages[i]
		if v := w.Load(); v != 0 {
			w.Store(0)
			list[n] = pages(v)
			sum += list[n].count()
			n++
		}
	}
	all := c.FlushAll.Load() != 0
	if all {
		c.FlushAll.Store(0)
	}
	if all || sum > flushMost || c.Lazy.Load() != 0 && c.Space != 0 {
		flushOwn(c, everything)
		return
	}
	for i := range n {
		list[i].invalidate(c)
	}
}

// forget takes back all that others have posted, and left for later.
//
// Context: a full flush follows.
func forget(c *percpu.CPU) {
	for i := range c.FlushPages {
		if w := &c.FlushPages[i]; w.Load() != 0 {
			w.Store(0)
		}
	}
	for _, w := range [...]*atom.Uint64{&c.FlushAll, &c.FlushLate} {
		if w.Load() != 0 {
			w.Store(0)
		}
	}
}
