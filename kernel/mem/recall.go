package mem

import (
	"sync/atomic"
	"unsafe"

	"muster/kernel/abi"
	"muster/kernel/clock"
	"muster/kernel/cross"
	"muster/kernel/percpu"
)

// What each CPU has of its own comes back: when the CPU goes offline, and when memory is exhausted or is counted.

// cached returns how many frames a CPU has cached. It may be changing them: then the number
// is one of about this time.
func cached(id uint32) uint64 {
	k := ptr[frameCache](frames.caches.On(id))
	return uint64(atomic.LoadUint32(&k.n)) + uint64(atomic.LoadUint32(&k.spared)) + uint64(atomic.LoadUint32(&k.away.n)) +
		uint64(atomic.LoadUint32(&k.zero.n))
}

// keeper is what a higher layer keeps for each CPU besides.
var keeper struct {
	has  func(id uint32) bool
	give func(c *percpu.CPU)
}

// AlsoGive adds what package sched keeps for each CPU to what GiveBack gives back. has reports whether a CPU has
// any, at about this time. give runs in an interrupt too, so it waits for no other CPU.
//
// Context: boot CPU, while no other one is online.
func AlsoGive(has func(id uint32) bool, give func(c *percpu.CPU)) {
	keeper.has, keeper.give = has, give
}

// GiveBack gives all that c has of its own back: free objects to their slabs, kernel stacks to all CPUs, and frames to
// the pool.
//
// Context: on c; no lock held.
// Locks: takes those of the caches of objects and of stacks, and of zones.
func GiveBack(c *percpu.CPU) {
	giveObjects(c)
	if keeper.give != nil {
		keeper.give(c)
	}
	cacheOf(c).give(c)
}

// has reports whether a CPU has anything of its own, at about this time.
func has(id uint32) bool {
	return clears(id) || cached(id) != 0 || hasObjects(id) || keeper.has != nil && keeper.has(id)
}

// clears reports whether an idle CPU clears a page. A request reaches it after that. has looks at this first: a CPU that is done has its frames in
// its cache.
func clears(id uint32) bool { return ptr[frameCache](frames.caches.On(id)).clears.Load() != 0 }

// recallLimit is how long a CPU may take to begin to give back what it has. One that takes
// longer keeps its frames until it allocates or frees one, and the rest until the next Recall.
const recallLimit = 100 * clock.Millisecond

// Recall makes all CPUs give back what they have of their own.
//
// Context: memory is exhausted, or is counted; no lock held. Waits for the other CPUs.
// Locks: as GiveBack.
func Recall(c *percpu.CPU) {
	GiveBack(c)
	var words [percpu.Max / 64]uint64
	var set percpu.Mask
	set.Init(uintptr(unsafe.Pointer(&words)), percpu.Count())
	for id := range percpu.Count() {
		if id != c.ID && has(id) {
			set.Set(id)
		}
	}
	if _, some := set.Next(0); some {
		cross.Call(c, &set, abi.CallGiveBack, 0, recallLimit)
	}
}

// Stats is the amount of RAM, in pages.
type Stats struct {
	Total, Free, Reserve uint64
}

// Count makes all CPUs give back what they have of their own, and returns the current numbers. Meanwhile idle CPUs clear no pages.
//
// Context: as Recall.
// Locks: as GiveBack.
func Count(c *percpu.CPU) Stats {
	frames.counts.Add(1) // a fence; pairs with the Store in ClearAhead
	Recall(c)
	s := ReadStats(c)
	frames.counts.Add(^uint32(0))
	return s
}

// ReadStats returns the current numbers. While CPUs allocate, those are numbers of about
// this time.
func ReadStats(c *percpu.CPU) (s Stats) {
	s = Stats{frames.total, pool.unused.Load(), frames.reserve}
	if pool.enough != 0 {
		for id := range percpu.Count() {
			s.Free += cached(id)
		}
	}
	return s
}
