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
// Frames that CPUs give back are not joined at once: magazines.go. Programs get blocks from blocks.go.
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
	return ptr[list.Node](memoryOf(n))
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
