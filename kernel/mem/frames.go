package mem

import (
	"muster/kernel/atom"
	"muster/kernel/layout"
	"muster/kernel/percpu"
	"muster/kernel/upcall"
)

// Frame numbers are physical addresses in pages. The frame table has a word for
// each: the next free frame in a list, or one of these.
const (
	frameNone  uint32 = 0          // end of a list; also: within a block, or never allocated
	frameUsed  uint32 = 0xffffffff // allocated
	frameFree  uint32 = 0xffffff00 // first of a free block; the order is in the low bits
	frameBlock uint32 = 0xfffffe00 // first of a block in use; the order is in the low bits
	frameEnd   uint32 = frameBlock // no frame has this number, or a higher one
)

// frames is what the CPUs read at each allocation. It seldom changes, so that the line is
// in the caches of all CPUs. The pool, which changes, has lines of its own.
var frames struct {
	_       [64]byte
	table   uintptr     // address of frame 0's word
	memory  uintptr     // address of frame 0
	caching atom.Uint32 // 1: the CPUs cache frames; 0: few are left, or there are no caches yet
	full    uint32      // frames of a full magazine, see frameCache
	order   uint        // half of them are a block of this order
	caches  PerCPU      // frameCache
	nodes   uint32      // how many zones there are
	ahead   uint32      // pages of zeros that a CPU makes at most, see ClearAhead
	noAhead bool        // by the option zeropool=off
	counts  atom.Uint32 // calls of Count that have not ended: idle CPUs clear no page
	total   uint64      // frames under management
	reserve uint64      // of the free ones in the pool, not for ring 3
	_       [64]byte
}

func frameWord(n uint32) *uint32 { return ptr[uint32](frames.table + uintptr(n)*4) }

// AllocFrame returns a page of RAM with undefined contents. ok is false when
// none is left.
//
// Locks: takes zone.mu, if the CPU's cache cannot serve.
func AllocFrame(c *percpu.CPU) (p PhysAddr, ok bool) {
	if siteFrame.denied(c) {
		return 0, false
	}
	return allocFrame(c)
}

// allocFrame and allocZeroed are AllocFrame and AllocZeroed where a failure has no answer, or has
// been decided: they do not fail on request.
func allocFrame(c *percpu.CPU) (p PhysAddr, ok bool) {
	n := popCached(c)
	if n == frameNone {
		n = allocSlow(c)
	}
	return PhysAddr(n) << layout.PageShift, n != frameNone
}

// popCached takes a frame from the CPU's cache, frameNone if there is none.
func popCached(c *percpu.CPU) uint32 {
	k := cacheOf(c)
	n := k.first
	if n != frameNone {
		k.popFirst()
	}
	return n
}

// popFirst takes k.first, which is a frame.
func (k *frameCache) popFirst() {
	w := frameWord(k.first)
	k.first = *w
	k.n--
	*w = frameUsed
}

// FreeFrame takes back a page from AllocFrame.
//
// Locks: takes zone.mu, if the CPU's cache is full.
func FreeFrame(c *percpu.CPU, p PhysAddr) {
	n := uint32(p >> layout.PageShift)
	w := frameWord(n)
	if *w != frameUsed {
		freedTwice(c, p, *w)
	}
	if frames.caching.Load() == 0 {
		*w = frameNone
		freeDirect(c, magazine{n, 1})
		return
	}
	k := cacheOf(c)
	if frames.nodes > 1 && !k.isNear(c, n) {
		k.putAway(c, n)
		return
	}
	*w = k.first
	k.first = n
	if k.n++; k.n >= k.most {
		k.unload(c)
	}
}

// AllocZeroed returns a page of zeros. ok is false when none is left.
//
// Locks: as AllocFrame.
func AllocZeroed(c *percpu.CPU) (p PhysAddr, ok bool) {
	if siteFrame.denied(c) {
		return 0, false
	}
	return allocZeroed(c)
}

func allocZeroed(c *percpu.CPU) (p PhysAddr, ok bool) {
	if k := cacheOf(c); k.zero.n != 0 {
		return k.popZero(c), true
	}
	p, ok = allocFrame(c)
	if ok {
		clearPage(frames.memory + uintptr(p))
	}
	return p, ok
}

// AllocUser is AllocZeroed for ring 3: it leaves the kernel's reserve alone. What the CPU
// has cached is not of the reserve.
//
// Locks: as AllocFrame.
func AllocUser(c *percpu.CPU) (p PhysAddr, ok bool) {
	k := cacheOf(c)
	if k.zero.n != 0 {
		return k.popZero(c), true
	}
	n := k.first
	if n != frameNone {
		k.popFirst()
	} else if !Plenty(c) { // page faults are many: those from a cache do not fail on request
		return 0, false
	} else if n = allocSlow(c); n == frameNone {
		return 0, false
	}
	p = PhysAddr(n) << layout.PageShift
	clearPage(frames.memory + uintptr(p))
	return p, true
}

// AllocRuntime is AllocZeroed for the kernel's own runtime: it may take all of the reserve except what
// the core needs.
//
// Locks: as AllocFrame.
func AllocRuntime(c *percpu.CPU) (p PhysAddr, ok bool) {
	if frames.caching.Load() == 0 && !leavesFloor(c) {
		return 0, false
	}
	return AllocZeroed(c)
}

// Plenty reports whether more than the kernel's reserve is free. Every allocation
// for a program, of objects and page tables as well as of pages, checks it first.
// CPUs that check at the same time may each take a page more. If c.Urgent is set,
// half of the reserve is enough. While the CPUs cache frames, there is plenty.
//
// Locks: takes zone.mu, while few frames are left.
func Plenty(c *percpu.CPU) bool { return !siteCheck.denied(c) && Enough(c) }

// Enough is Plenty for what does not allocate: it does not fail on request.
//
// Locks: as Plenty.
func Enough(c *percpu.CPU) bool { return frames.caching.Load() != 0 || plentyDirect(c) }

// MayKeep reports whether the CPUs may keep free frames of their own, and whatever else comes back by Recall.
func MayKeep() bool { return frames.caching.Load() != 0 }

// Roomy reports whether enough is free for what the kernel makes for a program's thread:
// half of the reserve, and cacheSlack frames.
//
// Locks: as Plenty.
func Roomy(c *percpu.CPU) bool { return !siteStack.denied(c) && roomy(c) }

func roomy(c *percpu.CPU) bool { return frames.caching.Load() != 0 || roomyDirect(c) }

// mustZeroed is AllocZeroed for allocations that the kernel cannot do without.
func mustZeroed(c *percpu.CPU) PhysAddr {
	p, ok := allocZeroed(c)
	if !ok {
		upcall.Panic(c, "mem: no frame left for the kernel; total, free", frames.total, pool.unused.Load())
	}
	return p
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

// release frees the frames of l, at most a few chunks of them, in one step.
//
// Locks: as FreeFrame.
func (l *chain) release(c *percpu.CPU) {
	if l.n == 0 {
		return
	}
	if frames.caching.Load() == 0 {
		freeDirect(c, magazine{l.first, uint32(l.n)})
	} else if frames.nodes > 1 {
		cacheOf(c).sortIn(c, magazine{l.first, uint32(l.n)})
	} else {
		k := cacheOf(c)
		*frameWord(l.last) = k.first
		k.first = l.first
		if k.n += uint32(l.n); k.n >= k.most {
			k.unload(c)
		}
	}
	*l = chain{}
}

// clearPage zeroes the page at va.
func clearPage(va uintptr)
