package mem

import (
	"muster/kernel/percpu"
)

// Joining is put off: the frames that CPUs give back stay in their magazines, of which the
// pool keeps whole ones, because CPUs soon need frames one by one (Barkley and Lee, "A Lazy Buddy
// System Bounded by Two Coalescing Delays per Class", SOSP 1989). A request for which there is no
// block joins some, and then the next one finds more.

// magazine is a list of n free frames.
type magazine struct{ first, n uint32 }

// keptMagazine is what the memory of the first frame of a magazine in the pool begins with.
type keptMagazine struct{ below, n uint32 } // the first frame of the one that came before; frames

// keepFrom is how many frames a magazine has at least that the pool keeps whole, and
// joinAtOnce how many frames a request for a block joins, if no block is large enough.
const (
	keepFrom   = 8
	joinAtOnce = 256
)

// keep adds a magazine to those that are kept whole.
//
// Locks: z.mu held.
func (z *zone) keep(c *percpu.CPU, m magazine) {
	z.mu.AssertHeld(c)
	if m.n > 0 {
		*keptAt(m.first) = keptMagazine{z.depot, m.n}
		z.depot = m.first
	}
}

// unkeep takes the magazine that came last; it has no frame if there is none.
//
// Locks: z.mu held.
func (z *zone) unkeep(c *percpu.CPU) (m magazine) {
	z.mu.AssertHeld(c)
	if m.first = z.depot; m.first != frameNone {
		k := keptAt(m.first)
		z.depot, m.n = k.below, k.n
	}
	return m
}

func keptAt(n uint32) *keptMagazine {
	return ptr[keptMagazine](memoryOf(n))
}

// split returns the first n frames of a magazine that has more, and keeps the others. Each time that a CPU takes a
// magazine and unmaps pages, it may give back a larger one: without this, one allocation could take most of memory into
// the cache of a CPU.
//
// Locks: z.mu held.
func (z *zone) split(c *percpu.CPU, m magazine, n uint32) magazine {
	z.mu.AssertHeld(c)
	last := frameWord(m.first)
	for range n - 1 {
		last = frameWord(*last)
	}
	z.keep(c, magazine{*last, m.n - n})
	*last = frameNone
	return magazine{m.first, n}
}

// pop takes the first frame of a magazine that has some.
func (m *magazine) pop() (n uint32) {
	n = m.first
	m.first = *frameWord(n)
	m.n--
	return n
}

// takeFrame takes a frame, whose word the caller sets; frameNone says that there is none.
//
// Locks: z.mu held.
func (z *zone) takeFrame(c *percpu.CPU) (n uint32) {
	z.mu.AssertHeld(c)
	m := z.unkeep(c)
	if m.n == 0 {
		n, _ = z.takeBlock(c, 0)
		return n
	}
	n = m.pop()
	z.keep(c, m)
	z.count(-1)
	return n
}

// nextFrames is how many frames takeFrames takes, at most.
//
// Locks: z.mu held.
func (z *zone) nextFrames(c *percpu.CPU, order uint) uint32 {
	z.mu.AssertHeld(c)
	if z.depot == frameNone {
		return 1 << order
	}
	n := keptAt(z.depot).n
	if full := uint32(2) << order; n > chunk+2*full {
		return full
	}
	return n
}

// takeFrames takes a magazine, or of a very large one as many frames as a full one has, or a block of at most 2^order frames as one. The words of a
// block are cache lines of their own, so that the CPU that uses it shares none with others.
//
// Locks: z.mu held.
func (z *zone) takeFrames(c *percpu.CPU, order uint) (m magazine) {
	z.mu.AssertHeld(c)
	most := z.nextFrames(c, order)
	if m = z.unkeep(c); m.n > 0 {
		if m.n > most {
			m = z.split(c, m, most)
		}
		z.count(-int64(m.n))
		return m
	}
	n, ok := z.takeBlock(c, order)
	for ; !ok && order > 0; n, ok = z.takeBlock(c, order) {
		order--
	}
	if !ok {
		return magazine{}
	}
	last := n + 1<<order - 1
	for f := n; f < last; f++ {
		*frameWord(f) = f + 1
	}
	*frameWord(last) = frameNone
	return magazine{n, 1 << order}
}

// putFrames takes frames back.
//
// Locks: z.mu held.
func (z *zone) putFrames(c *percpu.CPU, m magazine) {
	z.mu.AssertHeld(c)
	z.count(int64(m.n))
	if m.n >= keepFrom {
		z.keep(c, m)
		return
	}
	for m.n > 0 {
		z.joinBlock(c, m.pop(), 0)
	}
}

// joinSome makes blocks of some frames in magazines. It reports false if there are none.
//
// Locks: z.mu held.
func (z *zone) joinSome(c *percpu.CPU) bool {
	z.mu.AssertHeld(c)
	m := z.unkeep(c)
	some := m.n > 0
	for range joinAtOnce {
		if m.n == 0 {
			if m = z.unkeep(c); m.n == 0 {
				return some
			}
		}
		z.joinBlock(c, m.pop(), 0)
	}
	z.keep(c, m)
	return some
}
