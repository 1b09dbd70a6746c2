package mem

import (
	"muster/kernel/layout"
	"muster/kernel/percpu"
)

// Programs get blocks of several pages, which come from the pool and not from a CPU's cache.

// AllocOrder returns 2^order pages in a row, aligned to their size, with undefined contents,
// for ring 3: it leaves the kernel's reserve alone. ok is false when there is no such
// block now; pages one by one may still be there.
//
// Locks: takes zone.mu of one zone after another.
func AllocOrder(c *percpu.CPU, order uint) (p PhysAddr, ok bool) {
	n, wanted := frameNone, frames.reserve+2*cacheSlack+1<<order
	for i := uint32(0); i < frames.nodes && !ok; i++ {
		n, ok = zoneNear(c, i).allocBlock(c, order, wanted)
	}
	return PhysAddr(n) << layout.PageShift, granted(c, ok)
}

// allocBlock is AllocOrder for one zone, if the pool has more frames than wanted. It looks again when it has
// the block, as loadFrames does.
//
// Locks: takes z.mu.
func (z *zone) allocBlock(c *percpu.CPU, order uint, wanted uint64) (n uint32, ok bool) {
	if z.unused.Load() < 1<<order {
		return frameNone, false
	}
	z.mu.Lock(c)
	if pool.unused.Load() > wanted {
		if n, ok = z.takeBlock(c, order); !ok && z.joinSome(c) {
			n, ok = z.takeBlock(c, order)
		}
	}
	if ok && pool.unused.Load() <= frames.reserve+cacheSlack {
		z.putBlock(c, n, order)
		n, ok = frameNone, false
	}
	if ok {
		*frameWord(n) = blockWord(order)
	}
	z.mu.Unlock(c)
	return n, ok
}

// FreeOrder takes back a block from AllocOrder.
//
// Locks: takes zone.mu.
func FreeOrder(c *percpu.CPU, p PhysAddr, order uint) {
	n := uint32(p >> layout.PageShift)
	z := zoneAt(nodeOf(n))
	z.mu.Lock(c)
	if w := *frameWord(n); w != blockWord(order) {
		freedTwice(c, p, w)
	}
	if order <= cutOrder {
		z.putBlock(c, n, order)
		z.mu.Unlock(c)
	} else { // it may be older than the nodes
		*frameWord(n) = frameNone
		z.mu.Unlock(c)
		shareBlock(c, n, n+1<<order)
	}
	beginCaching()
}

// Divide makes a block from AllocOrder, of at most 2 MiB, into pages that are freed one by one.
func Divide(c *percpu.CPU, p PhysAddr, order uint) {
	n := uint32(p >> layout.PageShift)
	if w := *frameWord(n); w != blockWord(order) {
		freedTwice(c, p, w)
	}
	for i := range uint32(1) << order {
		*frameWord(n + i) = frameUsed
	}
}

// blockWord is the word of the first frame of a block in use.
func blockWord(order uint) uint32 {
	if order == 0 {
		return frameUsed
	}
	return frameBlock | uint32(order)
}
