package mem

import (
	"math/bits"
	"sync/atomic"
	"unsafe"

	"muster/kernel/abi"
	"muster/kernel/atom"
	"muster/kernel/layout"
	"muster/kernel/list"
	"muster/kernel/percpu"
)

// The pool is a buddy allocator (Knuth, "The Art of Computer Programming" vol. 1, §2.5
// "Dynamic Storage Allocation"). A block is 2^order frames, aligned to its size. A block that
// is too large is split into two buddies; a block whose buddy is free joins it. The word of
// a free block's first frame has its order, and its memory has its place in a list. So each
// step takes as many turns as there are orders at most.
//
// Joining is put off: the frames that CPUs give back stay in their magazines, of which the
// pool keeps whole, because CPUs soon need frames one by one (Barkley and Lee, "A Lazy Buddy
// System Bounded by Two Coalescing Delays per Class", SOSP 1989). A request for which there is no
// block joins some, and then the next one finds more.
//
// RAM that was never used lies in ranges. Blocks are cut off them, so that booting does not
// touch all of memory, and makes few pages of the frame table.
//
// Each NUMA node has a pool of its own, its zone: zone.go.

// MaxOrder is the order of the largest block: 1 GiB.
const MaxOrder = abi.Orders - 1

// cutOrder is the order of the blocks that are cut off such a range, unless a larger one is
// needed: 4 MiB, whose words are one page of the frame table.
const cutOrder = 10

// pool is what the zones have together: the free frames that no CPU caches.
var pool struct {
	_       [64]byte
	unused  atom.Uint64 // frames in all zones
	_       [64]byte
	enough  uint64   // with so many, the CPUs may cache frames
	regions []region // all RAM, the first count of them
	count   int
	_       [64]byte
}

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

// region is a range of RAM, in frame numbers: [start, end) is given out, [table, tableEnd) is for pages of the frame
// table.
type region struct{ start, end, table, tableEnd uint32 }

// freshRAM is RAM of a zone that was never used, in frame numbers.
type freshRAM struct{ next, end uint32 }

// wordsPerPage is how many frames one page of the table describes.
const wordsPerPage = layout.PageSize / 4

// What a page of the table describes is of one node.
var _ [wordsPerPage]byte = [abi.NodeUnit]byte{}

// makeRegion returns the region of the frames in [start, end). The last ones are set aside
// for the pages of the frame table that describe it.
func makeRegion(start, end uint32) region {
	pages := (end-1)/wordsPerPage - start/wordsPerPage + 1
	cut := end - min(pages, end-start)
	return region{start, cut, cut, end}
}

// blockNode is where a free block has its place in a list: its first bytes.
func blockNode(n uint32) *list.Node {
	return ptr[list.Node](frames.memory + uintptr(n)<<layout.PageShift)
}

// blockOf is the inverse of blockNode.
func blockOf(k *list.Node) uint32 {
	return uint32((uintptr(unsafe.Pointer(k)) - frames.memory) >> layout.PageShift)
}

// push adds a free block to its list.
//
// Locks: z.mu held.
func (z *zone) push(c *percpu.CPU, n uint32, order uint) {
	z.mu.AssertHeld(c)
	*frameWord(n) = frameFree | uint32(order)
	z.blocks[order].Push(blockNode(n))
	z.counts[order]++
}

// remove takes a free block out of its list.
//
// Locks: z.mu held.
func (z *zone) remove(c *percpu.CPU, n uint32, order uint) {
	z.mu.AssertHeld(c)
	*frameWord(n) = frameNone
	z.blocks[order].Remove(blockNode(n))
	z.counts[order]--
}

// takeBlock takes a block. The word of its first frame is frameNone then. ok is false when
// there is no such block.
//
// Locks: z.mu held.
func (z *zone) takeBlock(c *percpu.CPU, order uint) (n uint32, ok bool) {
	z.mu.AssertHeld(c)
	at := order
	for at <= MaxOrder && z.counts[at] == 0 {
		at++
	}
	if at > MaxOrder {
		if at, ok = z.cutBlocks(c, order); !ok {
			return frameNone, false
		}
	}
	n = blockOf(z.blocks[at].First())
	z.remove(c, n, at)
	for at > order {
		at--
		half := n + 1<<at
		if at >= cutOrder {
			frameTablePages.add(half)
		}
		z.push(c, half, at)
	}
	z.count(-1 << order)
	return n, true
}

// putBlock takes a block back.
//
// Locks: z.mu held.
func (z *zone) putBlock(c *percpu.CPU, n uint32, order uint) {
	z.mu.AssertHeld(c)
	z.count(1 << order)
	z.joinBlock(c, n, order)
}

// joinBlock adds a block to the lists, joined with its buddies that are free. It returns the
// order of the whole.
//
// Locks: z.mu held.
func (z *zone) joinBlock(c *percpu.CPU, n uint32, order uint) uint {
	z.mu.AssertHeld(c)
	for ; order < MaxOrder; order++ {
		buddy := n ^ 1<<order
		if order >= cutOrder && !(z.owns(buddy) && frameTablePages.has(buddy)) { // below that it is of n's page and of n's node
			break
		}
		if !isFree(buddy, order) {
			break
		}
		z.remove(c, buddy, order)
		*frameWord(n) = frameNone
		n &= buddy
	}
	z.push(c, n, order)
	return order
}

// isFree reports whether a frame is the first of a free block of an order. The frame may be
// another CPU's, which changes the word meanwhile. But only with the zone locked does
// a word become that of a free block, or stop being one; so an old word serves as well as a new one.
//
//go:norace
func isFree(n uint32, order uint) bool { return *frameWord(n) == frameFree|uint32(order) }

// cutBlocks adds blocks that were never used to the lists, until one has the order, or a higher one. It
// returns that block's order.
//
// Locks: z.mu held.
func (z *zone) cutBlocks(c *percpu.CPU, order uint) (got uint, ok bool) {
	z.mu.AssertHeld(c)
	for z.at < z.freshCount {
		r := z.freshAt(z.at)
		if r.next == r.end {
			z.at++
			continue
		}
		fits := uint(bits.Len32(r.end-r.next)) - 1
		got = min(fits, uint(bits.TrailingZeros32(r.next)), max(order, cutOrder))
		n := r.next
		r.next += 1 << got
		frameTablePages.add(n)
		if got = z.joinBlock(c, n, got); got >= order {
			return got, true
		}
	}
	return 0, false
}

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
	return ptr[keptMagazine](frames.memory + uintptr(n)<<layout.PageShift)
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

// frameTablePages is whether the page of the frame table with a frame's word has memory, and
// how it gets some. Host tests have their own.
var frameTablePages = struct {
	has func(n uint32) bool
	add func(n uint32)
}{hasTablePage, addTablePage}

func tablePage(n uint32) uintptr {
	return frames.table + uintptr(n/wordsPerPage)*layout.PageSize
}

func hasTablePage(n uint32) bool {
	e := entryOf(kernelRoot, tablePage(n))
	return e != nil && *e != 0
}

// addTablePage maps the page with the word of frame n, unless it is mapped, at one of the
// frames that n's region has set aside. The page tables above exist: Init made them for
// all of RAM. All frames that a page describes are of one node, so its zone's lock guards the entry.
//
// Locks: zone.mu held, of n's zone; not asserted: all callers have asserted it.
func addTablePage(n uint32) {
	e := entryOf(kernelRoot, tablePage(n))
	if *e != 0 {
		return
	}
	for i := range pool.count {
		if r := &pool.regions[i]; n >= r.start && n < r.tableEnd {
			p := PhysAddr(atomic.AddUint32(&r.table, 1)-1) << layout.PageShift // zones have frames of one region
			clearPage(Direct(p))
			*e = uint64(p) | pteRAM
			return
		}
	}
}
