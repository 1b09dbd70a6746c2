package mem

import (
	"unsafe"

	"muster/kernel/abi"
	"muster/kernel/atom"
	"muster/kernel/cross"
	"muster/kernel/percpu"
	"muster/kernel/upcall"
)

// Each CPU has a cache of free frames. A CPU allocates from its own cache and frees to it
// with interrupts off, so no other CPU touches the cache, and it needs no lock. The frames
// are in magazines (Bonwick and Adams, "Magazines and Vmem", USENIX 2001): lists, of which
// whole ones move between a CPU and a zone of the pool, under the zone's lock.
//
// A CPU takes frames of its own node, as long as there are any. Frames of other nodes that it
// frees do not come back to it: they are kept apart until they fill a magazine, and go to their zones.
//
// The caches hold frames only while the pool has more than the kernel's reserve:
//
//	frames.caching == 1   what a CPU takes leaves the reserve and cacheSlack frames in the pool
//	frames.caching == 0   each allocation and each free goes to the pool
//
// A CPU that finds less in the pool ends the caching. From then on, a CPU that allocates
// or frees gives its cached frames back first, and Recall makes the others do so: before a
// program ends because memory is exhausted, nothing is in a cache. The pool's count is then
// the whole truth, as if there were no caches. The caching begins again when the pool has so
// many frames that full caches of all CPUs leave enough.

// maxFull is the most frames of a full magazine: with less memory or more CPUs, there are
// fewer. A magazine may have more: a chunk of unmapped pages goes in at once.
const maxFull = 64

// maxSpares is how many magazines a CPU has besides the one in use.
const maxSpares = 7

// cacheSlack is what the pool has beyond the reserve, at least, while CPUs cache frames. It
// is enough for a few kernel stacks with their page tables.
const cacheSlack = 64

// cacheShare is the part of all frames that the caches of all CPUs may have together.
const cacheShare = 64

// frameCache is the free frames of one CPU: a magazine that is in use, and others.
type frameCache struct {
	first  uint32 // of the frames of the magazine in use
	n      uint32 // frames in it
	most   uint32 // with so many it becomes a spare one
	spares uint32 // how many, the oldest first
	spared uint32 // frames in them
	low    uint32 // of the CPU's node are size frames from here on, see isNear
	size   uint32
	away   magazine // frames of other nodes
	spare  [maxSpares + 1]magazine

	zero     magazine    // frames that are zeros: zeroed.go
	cleared  uint64      // frames that the CPU has cleared ahead
	returned uint64      // of those, how many went back to the pool
	clears   atom.Uint32 // 1: in ClearAhead; stored by the CPU
}

func cacheOf(c *percpu.CPU) *frameCache { return ptr[frameCache](frames.caches.On(c.ID)) }

// bootCache is the boot CPU's before InitFrameCaches, and empty.
var bootCache frameCache

// InitFrameCaches lets CPUs cache frames, and free objects.
//
// Context: boot CPU, after InitPerCPU.
func InitFrameCaches(c *percpu.CPU) {
	_, caches, ok := AllocPerCPU(c, unsafe.Sizeof(frameCache{}), nil) //cpucheck:stays no other thread runs: breathe is nil
	if !ok {
		upcall.Panic(c, "mem: no memory for the boot CPU's cache of frames", 0, 0)
	}
	initObjects(c)
	cross.Handle(abi.CallGiveBack, func(c *percpu.CPU, _ uint64) { GiveBack(c) })
	frames.caches = caches
	sizeCaches(1)
	beginCaching()
}

// sizeCaches sets the size of a full magazine, a power of two, for so many CPUs.
//
// Context: boot CPU, while only the boot CPU is online.
func sizeCaches(cpus uint32) {
	share := min(frames.total/cacheShare/uint64(cpus), maxFull*(maxSpares+1))
	frames.full = 8
	frames.order = 2
	for uint64(frames.full)*2*(maxSpares+1) <= share {
		frames.full *= 2
		frames.order++
	}
	pool.enough = frames.reserve + 2*cacheSlack + uint64(frames.full)*(maxSpares+1)*uint64(cpus)
}

// beginCaching begins the caching if the pool has enough for all caches. CPUs that allocate at the same
// time may end the caching just before it begins here: then they have taken their frames, and the second look
// finds too few.
func beginCaching() {
	if frames.caching.Load() != 0 || pool.unused.Load() < pool.enough || pool.enough == 0 {
		return
	}
	frames.caching.Store(1)
	if pool.unused.Load() < pool.enough {
		frames.caching.Store(0)
	}
}

// allocSlow allocates a frame when the magazine in use is empty. frameNone says that none is
// left.
//
// Locks: takes zone.mu of one zone after another, if there is no spare magazine.
func allocSlow(c *percpu.CPU) (n uint32) {
	if frames.caching.Load() != 0 && cacheOf(c).load(c) {
		return popCached(c)
	}
	cacheOf(c).give(c)
	n = allocDirect(c)
	granted(c, n != frameNone)
	return n
}

// searches is how often allocDirect looks at all zones, at most. A frame may come back to a zone after the CPU
// has looked there; if so, another CPU has found one meanwhile.
const searches = 64

// allocDirect takes a frame of the CPU's node, or of the nearest one that has some.
//
// Locks: takes zone.mu of one zone after another.
func allocDirect(c *percpu.CPU) (n uint32) {
	for range searches {
		for i := range frames.nodes {
			z := zoneNear(c, i)
			if z.unused.Load() == 0 {
				continue
			}
			z.mu.Lock(c)
			if n = z.takeFrame(c); n != frameNone {
				*frameWord(n) = frameUsed
			}
			z.mu.Unlock(c)
			if n != frameNone {
				return n
			}
		}
		if pool.unused.Load() == 0 {
			break
		}
	}
	return frameNone
}

// load puts frames into the magazine in use, which is empty. If the pool has too few, it
// ends the caching, and reports false.
//
// Locks: takes zone.mu of one zone after another, if there is no spare magazine.
func (k *frameCache) load(c *percpu.CPU) bool {
	var m magazine
	if k.spares > 0 {
		k.spares--
		m = k.spare[k.spares]
		k.spared -= m.n
	} else {
		for i := uint32(0); i < frames.nodes && m.n == 0 && frames.caching.Load() != 0; i++ {
			m = zoneNear(c, i).loadFrames(c)
		}
		if m.n == 0 { // no zone has any
			frames.caching.Store(0)
		}
	}
	k.first, k.n = m.first, m.n
	k.most = m.n + frames.full // an allocation and a free in turns do not load and unload
	return m.n != 0
}

// loadFrames is takeFrames while the CPUs cache frames. If the pool would have too few then, it ends the caching. CPUs that
// take frames of different zones may do so at the same time. So each one looks again at what all zones have, when it has taken
// some: one of the two sees that they are too few, and puts its own back.
//
// Locks: takes z.mu.
func (z *zone) loadFrames(c *percpu.CPU) (m magazine) {
	if z.unused.Load() == 0 {
		return m
	}
	z.mu.Lock(c)
	if pool.unused.Load() > frames.reserve+cacheSlack+uint64(z.nextFrames(c, frames.order)) {
		m = z.takeFrames(c, frames.order)
	}
	if m.n == 0 || pool.unused.Load() <= frames.reserve+cacheSlack {
		z.putFrames(c, m)
		m = magazine{}
		frames.caching.Store(0)
	}
	z.mu.Unlock(c)
	return m
}

// unload makes the magazine in use a spare one, and gives the oldest spare ones to the pool
// if the CPU has too many frames.
//
// Locks: takes zone.mu, if that is so.
func (k *frameCache) unload(c *percpu.CPU) {
	k.spare[k.spares] = magazine{k.first, k.n}
	k.spares++
	k.spared += k.n
	k.first, k.n, k.most = frameNone, 0, frames.full
	if k.spared <= maxSpares*frames.full {
		return
	}
	old := uint32(0)
	for ; k.spared > maxSpares*frames.full/2; old++ {
		k.spared -= k.spare[old].n
		putMagazine(c, k.spare[old])
	}
	beginCaching()
	for i := old; i < k.spares; i++ {
		k.spare[i-old] = k.spare[i]
	}
	k.spares -= old
}

// give gives all frames of a cache to their zones.
//
// Locks: takes zone.mu of one zone after another, if there are any.
func (k *frameCache) give(c *percpu.CPU) {
	if k.n+k.spared+k.away.n+k.zero.n == 0 {
		return
	}
	putMagazine(c, magazine{k.first, k.n})
	for i := range k.spares {
		putMagazine(c, k.spare[i])
	}
	putMagazine(c, k.away)
	k.returned += uint64(k.zero.n)
	putMagazine(c, k.zero)
	k.first, k.n, k.spares, k.spared, k.away, k.zero = frameNone, 0, 0, 0, magazine{}, magazine{}
	beginCaching()
}

// putMagazine gives frames to their zones.
//
// Locks: takes zone.mu of one zone after another.
func putMagazine(c *percpu.CPU, m magazine) {
	for m.n > 0 {
		z, same := zoneAt(0), m
		if m = (magazine{}); frames.nodes > 1 {
			z = zoneAt(nodeOf(same.first))
			same, m = z.pick(same)
		}
		z.mu.Lock(c)
		z.putFrames(c, same)
		z.mu.Unlock(c)
	}
}

// freeDirect frees the frames of a magazine without a cache.
func freeDirect(c *percpu.CPU, m magazine) {
	cacheOf(c).give(c)
	putMagazine(c, m)
	beginCaching()
}

// plentyDirect is Plenty while there is no caching.
func plentyDirect(c *percpu.CPU) bool { return unusedAbove(c, frames.reserve>>c.Urgent) }

// roomyDirect is Roomy while there is no caching.
func roomyDirect(c *percpu.CPU) bool { return unusedAbove(c, cacheSlack+frames.reserve/2) }

// unusedAbove reports whether the pool has more than n frames, those that c had cached among them.
//
// Locks: takes zone.mu of one zone after another, if c has cached frames.
func unusedAbove(c *percpu.CPU, n uint64) bool {
	cacheOf(c).give(c)
	return granted(c, pool.unused.Load() > n)
}

// refusals counts requests for memory that were refused.
var refusals atom.Uint64

// Refusals returns how many requests for memory were refused because there were no frames. If it has not changed,
// a call that says that there is no memory has another reason.
func Refusals() uint64 { return refusals.Load() }

// granted counts a request that is refused, and returns yes.
func granted(c *percpu.CPU, yes bool) bool {
	if !yes {
		refusals.Add(1)
		c.Refused++
	}
	return yes
}

// Spares reports whether the pool has n pages besides the kernel's reserve, for an allocation that cannot
// stop half-way. Frames that other CPUs have cached do not count, since the caller may not get them: see Recall.
//
// Locks: as unusedAbove.
func Spares(c *percpu.CPU, n uint64) bool { return poolHas(c, n+frames.reserve) }

// poolHas reports whether the pool has n frames.
//
// Locks: as unusedAbove.
func poolHas(c *percpu.CPU, n uint64) bool { return n == 0 || unusedAbove(c, n-1) }

// leavesFloor reports whether the pool has enough for the kernel's own runtime, while there is
// no caching.
func leavesFloor(c *percpu.CPU) bool { return unusedAbove(c, runtimeFloor>>c.Urgent) }
