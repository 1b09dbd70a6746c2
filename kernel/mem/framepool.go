package mem

import (
	"math/bits"
	"unsafe"

	"muster/kernel/layout"
	"muster/kernel/list"
	"muster/kernel/lock"
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
// RAM that was never used lies in regions. Blocks are cut off them, so that booting does not
// touch all of memory, and makes few pages of the frame table.

// MaxOrder is the order of the largest block: 1 GiB.
const MaxOrder = 18

// cutOrder is the order of the blocks that are cut off a region, unless a larger one is
// needed: 4 MiB, whose words are one page of the frame table.
const cutOrder = 10

// pool has the free frames that no CPU caches.
var pool struct {
	mu      lock.Spin
	blocks  [MaxOrder + 1]list.List
	counts  [MaxOrder + 1]uint32 // blocks in each list
	depot   uint32               // first frame of the magazine that came last, frameNone for none
	regions []region             // the first count of them
	count   int
	at      int    // region to cut from
	unused  uint64 // frames in the pool
	enough  uint64 // with so many, the CPUs may cache frames
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

// region is a range of RAM, in frame numbers: [start, next) is in use or in the lists,
// [next, end) was never used, [table, tableEnd) is for pages of the frame table.
type region struct{ start, next, end, table, tableEnd uint32 }

// wordsPerPage is how many frames one page of the table describes.
const wordsPerPage = layout.PageSize / 4

// makeRegion returns the region of the frames in [start, end). The last ones are set aside
// for the pages of the frame table that describe it.
func makeRegion(start, end uint32) region {
	pages := (end-1)/wordsPerPage - start/wordsPerPage + 1
	cut := end - min(pages, end-start)
	return region{start, start, cut, cut, end}
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
// Locks: pool.mu held.
func push(c *percpu.CPU, n uint32, order uint) {
	pool.mu.AssertHeld(c)
	*frameWord(n) = frameFree | uint32(order)
	pool.blocks[order].Push(blockNode(n))
	pool.counts[order]++
}

// remove takes a free block out of its list.
//
// Locks: pool.mu held.
func remove(c *percpu.CPU, n uint32, order uint) {
	pool.mu.AssertHeld(c)
	*frameWord(n) = frameNone
	pool.blocks[order].Remove(blockNode(n))
	pool.counts[order]--
}

// takeBlock takes a block. The word of its first frame is frameNone then. ok is false when
// there is no such block.
//
// Locks: pool.mu held.
func takeBlock(c *percpu.CPU, order uint) (n uint32, ok bool) {
	pool.mu.AssertHeld(c)
	at := order
	for at <= MaxOrder && pool.counts[at] == 0 {
		at++
	}
	if at > MaxOrder {
		if at, ok = cutBlocks(c, order); !ok {
			return frameNone, false
		}
	}
	n = blockOf(pool.blocks[at].First())
	remove(c, n, at)
	for at > order {
		at--
		half := n + 1<<at
		if at >= cutOrder {
			frameTablePages.add(half)
		}
		push(c, half, at)
	}
	pool.unused -= 1 << order
	return n, true
}

// putBlock takes a block back.
//
// Locks: pool.mu held.
func putBlock(c *percpu.CPU, n uint32, order uint) {
	pool.mu.AssertHeld(c)
	pool.unused += 1 << order
	joinBlock(c, n, order)
}

// joinBlock adds a block to the lists, joined with its buddies that are free. It returns the
// order of the whole.
//
// Locks: pool.mu held.
func joinBlock(c *percpu.CPU, n uint32, order uint) uint {
	pool.mu.AssertHeld(c)
	for ; order < MaxOrder; order++ {
		buddy := n ^ 1<<order
		if order >= cutOrder && !frameTablePages.has(buddy) { // below that it has its word in n's page
			break
		}
		if !isFree(buddy, order) {
			break
		}
		remove(c, buddy, order)
		*frameWord(n) = frameNone
		n &= buddy
	}
	push(c, n, order)
	return order
}

// isFree reports whether a frame is the first of a free block of an order. The frame may be
// another CPU's, which changes the word meanwhile. But only with the pool locked does
// a word become that of a free block, or stop being one; so an old word serves as well as a new one.
//
//go:norace
func isFree(n uint32, order uint) bool { return *frameWord(n) == frameFree|uint32(order) }

// cutBlocks adds blocks of a region to the lists, until one has the order, or a higher one. It
// returns that block's order.
//
// Locks: pool.mu held.
func cutBlocks(c *percpu.CPU, order uint) (got uint, ok bool) {
	pool.mu.AssertHeld(c)
	for pool.at < pool.count {
		r := &pool.regions[pool.at]
		if r.next == r.end {
			pool.at++
			continue
		}
		fits := uint(bits.Len32(r.end-r.next)) - 1
		got = min(fits, uint(bits.TrailingZeros32(r.next)), max(order, cutOrder))
		n := r.next
		r.next += 1 << got
		frameTablePages.add(n)
		if got = joinBlock(c, n, got); got >= order {
			return got, true
		}
	}
	return 0, false
}

// keep adds a magazine to those that are kept whole.
//
// Locks: pool.mu held.
func keep(c *percpu.CPU, m magazine) {
	pool.mu.AssertHeld(c)
	if m.n > 0 {
		*keptAt(m.first) = keptMagazine{pool.depot, m.n}
		pool.depot = m.first
	}
}

// unkeep takes the magazine that came last; it has no frame if there is none.
//
// Locks: pool.mu held.
func unkeep(c *percpu.CPU) (m magazine) {
	pool.mu.AssertHeld(c)
	if m.first = pool.depot; m.first != frameNone {
		k := keptAt(m.first)
		pool.depot, m.n = k.below, k.n
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
// Locks: pool.mu held.
func split(c *percpu.CPU, m magazine, n uint32) magazine {
	pool.mu.AssertHeld(c)
	last := frameWord(m.first)
	for range n - 1 {
		last = frameWord(*last)
	}
	keep(c, magazine{*last, m.n - n})
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
// Locks: pool.mu held.
func takeFrame(c *percpu.CPU) (n uint32) {
	pool.mu.AssertHeld(c)
	m := unkeep(c)
	if m.n == 0 {
		n, _ = takeBlock(c, 0)
		return n
	}
	n = m.pop()
	keep(c, m)
	pool.unused--
	return n
}

// takeFrames takes a magazine, or of a very large one as many frames as a full one has, or a block of at most 2^order frames as one. The words of a
// block are cache lines of their own, so that the CPU that uses it shares none with others.
//
// Locks: pool.mu held.
func takeFrames(c *percpu.CPU, order uint) (m magazine) {
	pool.mu.AssertHeld(c)
	if m = unkeep(c); m.n > 0 {
		if full := uint32(2) << order; m.n > chunk+2*full {
			m = split(c, m, full)
		}
		pool.unused -= uint64(m.n)
		return m
	}
	n, ok := takeBlock(c, order)
	for ; !ok && order > 0; n, ok = takeBlock(c, order) {
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
// Locks: pool.mu held.
func putFrames(c *percpu.CPU, m magazine) {
	pool.mu.AssertHeld(c)
	pool.unused += uint64(m.n)
	if m.n >= keepFrom {
		keep(c, m)
		return
	}
	for m.n > 0 {
		joinBlock(c, m.pop(), 0)
	}
}

// joinSome makes blocks of some frames in magazines. It reports false if there are none.
//
// Locks: pool.mu held.
func joinSome(c *percpu.CPU) bool {
	pool.mu.AssertHeld(c)
	m := unkeep(c)
	some := m.n > 0
	for range joinAtOnce {
		if m.n == 0 {
			if m = unkeep(c); m.n == 0 {
				return some
			}
		}
		joinBlock(c, m.pop(), 0)
	}
	keep(c, m)
	return some
}

// AllocOrder returns 2^order pages in a row, aligned to their size, with undefined contents,
// for ring 3: it leaves the kernel's reserve alone. ok is false when there is no such
// block now; pages one by one may still be there.
//
// Locks: takes pool.mu.
func AllocOrder(c *percpu.CPU, order uint) (p PhysAddr, ok bool) {
	pool.mu.Lock(c)
	var n uint32
	if pool.unused > frames.reserve+2*cacheSlack+1<<order {
		if n, ok = takeBlock(c, order); !ok && joinSome(c) {
			n, ok = takeBlock(c, order)
		}
	}
	if ok {
		*frameWord(n) = blockWord(order)
	}
	pool.mu.Unlock(c)
	return PhysAddr(n) << layout.PageShift, granted(c, ok)
}

// FreeOrder takes back a block from AllocOrder.
//
// Locks: takes pool.mu.
func FreeOrder(c *percpu.CPU, p PhysAddr, order uint) {
	n := uint32(p >> layout.PageShift)
	pool.mu.Lock(c)
	if w := *frameWord(n); w != blockWord(order) {
		freedTwice(c, p, w)
	}
	putBlock(c, n, order)
	beginCaching(c)
	pool.mu.Unlock(c)
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
// all of RAM.
func addTablePage(n uint32) {
	e := entryOf(kernelRoot, tablePage(n))
	if *e != 0 {
		return
	}
	for i := range pool.count {
		if r := &pool.regions[i]; n >= r.start && n < r.tableEnd {
			p := PhysAddr(r.table) << layout.PageShift
			r.table++
			clearPage(Direct(p))
			*e = uint64(p) | pteRAM
			return
		}
	}
}
