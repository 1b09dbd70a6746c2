package mem

import (
	"muster/kernel/layout"
	"muster/kernel/lock"
	"muster/kernel/percpu"
	"muster/kernel/upcall"
)

// Pages of zeros, made ahead of time. A page is zeros when a program touches it first, and clearing it is a third of
// the work of the page fault. A CPU that has nothing to do clears free frames of its cache before it halts, one after the other,
// and keeps them in a list of its own, which allocations of zeros take from first.
//
// The list belongs to the CPU's cache: no other CPU touches it, what the caching says holds for it, and its frames go back with all
// others. So a frame is never out of reach when memory is exhausted. A CPU stops clearing long before that: it begins a
// page only while the pool has so much that the caches of all CPUs could be filled. That look is a hint. What keeps the
// reserve in the pool is loadFrames, which looks again with the zone locked.
//
// While free memory is counted no CPU clears a page: a frame on its way from the pool to a list would be counted twice, or not at all. See Count.
//
// The links of the list lie in the frame table, so the pages themselves stay zeros until they are taken. In a debug build
// the allocation reads the whole page: a store to a free frame is found there.

// maxAhead is how many pages of zeros a CPU has at most: 1 MiB. With less memory or more CPUs, there are fewer.
const maxAhead = 256

// LeaveZeroing keeps idle CPUs from clearing pages.
//
// Context: boot CPU, before SetMaxCPUs.
func LeaveZeroing() { frames.noAhead = true }

// sizeAhead sets how many pages of zeros each of so many CPUs has at most. Together they have no more than the caches.
//
// Context: boot CPU, while only the boot CPU is online.
func sizeAhead(cpus uint32) {
	frames.ahead = uint32(min(frames.total/cacheShare/uint64(cpus), maxAhead))
	if frames.noAhead {
		frames.ahead = 0
	}
}

// ClearAhead clears one free frame, for a page that c allocates later. It reports false if c has enough of them, if
// memory is scarce, or if c's node has no free frame.
//
// Context: on c, which has nothing else to do; no lock held.
// Locks: takes zone.mu of one zone after another, if the CPU's cache is empty.
func ClearAhead(c *percpu.CPU) bool {
	k := cacheOf(c)
	if k.zero.n >= frames.ahead || frames.caching.Load() == 0 || pool.unused.Load() < pool.enough {
		return false
	}
	k.clears.Store(1) // a fence; pairs with the Add in Count
	ok := frames.counts.Load() == 0 && k.clearOne(c)
	k.clears.Publish(0)
	return ok
}

// clearOne is ClearAhead if c may clear a page.
//
// Locks: as ClearAhead.
func (k *frameCache) clearOne(c *percpu.CPU) bool {
	if k.first == frameNone && !k.load(c) {
		return false
	}
	n := k.first
	if frames.nodes > 1 && !k.isNear(c, n) {
		return false // it would be used when the CPU's node has frames again
	}
	clearPage(memoryOf(n))
	w := frameWord(n)
	k.first, *w = *w, k.zero.first
	k.n--
	k.zero = magazine{n, k.zero.n + 1}
	k.cleared++
	return true
}

// popZero takes a page from the CPU's pages of zeros. There is one.
func (k *frameCache) popZero(c *percpu.CPU) PhysAddr {
	n := k.zero.pop()
	*frameWord(n) = frameUsed
	if lock.Checked {
		checkZero(c, n)
	}
	return PhysAddr(n) << layout.PageShift
}

// checkZero panics if a page has anything but zeros.
func checkZero(c *percpu.CPU, n uint32) {
	for i := range uintptr(layout.PageSize / 8) {
		if v := *ptr[uint64](memoryOf(n) + i*8); v != 0 {
			upcall.Panic(c, "mem: a free page was written to after it was cleared; address, value", uint64(n)<<layout.PageShift+uint64(i)*8, v)
		}
	}
}

// memoryOf returns the address of a frame.
func memoryOf(n uint32) uintptr { return frames.memory + uintptr(n)<<layout.PageShift }

// Ahead is the pages of zeros of all CPUs.
type Ahead struct {
	Pages   uint64 // there are now
	Most    uint64 // there can be
	Cleared uint64 // since the boot
	Used    uint64 // of those, allocated; the others went back to the pool, or are still there
}

// countAhead returns the numbers of one CPU, without Most.
func (k *frameCache) countAhead() Ahead {
	n := uint64(k.zero.n)
	return Ahead{Pages: n, Cleared: k.cleared, Used: k.cleared - min(k.cleared, k.returned+n)}
}

// ReadAhead returns the current numbers. They are of about this time.
func ReadAhead() (a Ahead) {
	if pool.enough == 0 {
		return a
	}
	for id := range percpu.Count() {
		n := ptr[frameCache](frames.caches.On(id)).countAhead()
		a.Pages += n.Pages
		a.Cleared += n.Cleared
		a.Used += n.Used
	}
	a.Most = uint64(frames.ahead) * uint64(percpu.Count())
	return a
}
