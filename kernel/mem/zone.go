package mem

import (
	"unsafe"

	"muster/kernel/abi"
	"muster/kernel/atom"
	"muster/kernel/layout"
	"muster/kernel/list"
	"muster/kernel/lock"
	"muster/kernel/percpu"
)

// A zone is the free frames of one NUMA node, with a lock of its own. A CPU allocates from its own node's zone,
// and when that is empty, from the others, nearest first. A frame goes back to the zone of its node, whichever CPU
// frees it.
//
// A sorted list of first frames (nodes.starts) says which node a frame is of. All frames that one page of the frame
// table describes, 4 MiB, are of one node. So no two zones use the same page of it, and blocks up to that size have
// their buddies in their own zone.
//
// A boot begins with one zone. The firmware's tables are read by ordinary Go code, long after the first frames were
// given out; then InitNodes makes the zones, and what is free moves: nodes.go.

// zone is the free frames of a node that no CPU caches.
type zone struct {
	_          [64]byte
	mu         lock.Spin
	blocks     [MaxOrder + 1]list.List
	counts     [MaxOrder + 1]uint32 // blocks in each list
	depot      uint32               // first frame of the magazine that came last, frameNone for none
	fresh      uintptr              // *[freshCount]freshRAM
	freshCount uint32
	at         uint32      // of them, which to cut from
	unused     atom.Uint64 // frames in the zone; changes under mu
	total      uint64      // frames of the node, those in use too
	_          [64]byte
}

const zoneBytes = (unsafe.Sizeof(zone{}) + line - 1) &^ (line - 1)

// bootZone is all memory, until nodes are known.
var bootZone zone

// nodes is where the zones are, and which frames and CPUs they are of. It does not change after InitNodes.
var nodes struct {
	zones  uintptr // *[frames.nodes]zone, at a distance of zoneBytes
	starts uintptr // *[count]abi.NodeStart
	count  uint32
	order  uintptr // for each node a row of frames.nodes bytes: the nodes, nearest first
}

// initZones makes the boot's zone.
func initZones() {
	bootZone.mu.Rank = lock.RankFrames
	nodes.zones = uintptr(unsafe.Pointer(&bootZone))
	frames.nodes = 1
}

// zoneAt returns the zone of a node.
func zoneAt(node uint32) *zone { return ptr[zone](nodes.zones + uintptr(node)*zoneBytes) }

// zoneNear returns the zone that is the i-th nearest of a CPU, from 0 on.
func zoneNear(c *percpu.CPU, i uint32) *zone {
	if frames.nodes == 1 {
		return zoneAt(0)
	}
	return zoneAt(uint32(*ptr[uint8](nodes.order + uintptr(HomeOf(c)*frames.nodes+i))))
}

// HomeOf returns the node of a CPU, 0 if the firmware says nothing of the CPU.
func HomeOf(c *percpu.CPU) uint32 {
	if h := uint32(c.Home); h > 0 && h <= frames.nodes {
		return h - 1
	}
	return 0
}

// NodeOf returns the node of a page from AllocFrame.
func NodeOf(p PhysAddr) uint32 { return nodeOf(uint32(p >> layout.PageShift)) }

func nodeStart(i uint32) *abi.NodeStart {
	return ptr[abi.NodeStart](nodes.starts + uintptr(i)*unsafe.Sizeof(abi.NodeStart{}))
}

// extent returns the range around frame n whose frames are of the same node.
func extent(n uint32) (node, low, end uint32) {
	if frames.nodes == 1 {
		return 0, 0, frameEnd
	}
	first, after := uint32(0), nodes.count // the range is in [first, after)
	for after-first > 1 {
		if mid := (first + after) / 2; nodeStart(mid).Frame <= n {
			first = mid
		} else {
			after = mid
		}
	}
	end = frameEnd
	if after < nodes.count {
		end = nodeStart(after).Frame
	}
	s := nodeStart(first)
	return s.Node, s.Frame, end
}

// nodeOf returns the node of a frame.
func nodeOf(n uint32) uint32 {
	node, _, _ := extent(n)
	return node
}

// owns reports whether a frame is of the zone's node.
func (z *zone) owns(n uint32) bool { return frames.nodes == 1 || z == zoneAt(nodeOf(n)) }

// freshAt returns one of the zone's ranges that were never used.
func (z *zone) freshAt(i uint32) *freshRAM { return ptr[freshRAM](z.fresh + uintptr(i)*freshBytes) }

// addFresh gives a zone RAM that was never used. There is room in the list.
//
// Context: boot CPU, while only the boot CPU is online.
func (z *zone) addFresh(s freshRAM) {
	*z.freshAt(z.freshCount) = s
	z.freshCount++
	z.count(int64(s.end - s.next))
}

// count adds frames to the zone's number of unused ones, or takes some off. The zone is locked, or other CPUs are not online yet.
func (z *zone) count(frames int64) {
	z.unused.Add(uint64(frames))
	pool.unused.Add(uint64(frames))
}

// pick divides a magazine into the frames of the zone's node, of which the first one is, and others.
func (z *zone) pick(m magazine) (same, rest magazine) {
	low, end := uint32(0), uint32(0) // frames known to be the zone's
	var lastSame, lastRest *uint32
	for f := m.first; f != frameNone; {
		w := frameWord(f)
		if f-low >= end-low {
			if node, l, e := extent(f); z == zoneAt(node) {
				low, end = l, e
			}
		}
		to, last := &same, &lastSame
		if f-low >= end-low {
			to, last = &rest, &lastRest
		}
		if to.n == 0 {
			to.first = f
		} else {
			**last = f
		}
		to.n++
		f, *w, *last = *w, frameNone, w
	}
	return same, rest
}

// isNear reports whether a frame is of the CPU's node.
func (k *frameCache) isNear(c *percpu.CPU, n uint32) bool {
	if n-k.low < k.size {
		return true
	}
	node, low, end := extent(n)
	if node != HomeOf(c) {
		return false
	}
	k.low, k.size = low, end-low
	return true
}

// putAway keeps a frame of another node that the CPU frees, and gives such frames to their zones when they are many.
//
// Locks: takes zone.mu of one zone after another, if they are.
func (k *frameCache) putAway(c *percpu.CPU, n uint32) {
	*frameWord(n) = k.away.first
	k.away = magazine{n, k.away.n + 1}
	if k.away.n >= frames.full {
		m := k.away
		k.away = magazine{}
		putMagazine(c, m)
		beginCaching()
	}
}

// sortIn frees the frames of a magazine one by one, as FreeFrame does.
//
// Locks: as FreeFrame.
func (k *frameCache) sortIn(c *percpu.CPU, m magazine) {
	for m.n > 0 {
		n := m.pop()
		if !k.isNear(c, n) {
			k.putAway(c, n)
			continue
		}
		*frameWord(n) = k.first
		k.first = n
		if k.n++; k.n >= k.most {
			k.unload(c)
		}
	}
}

// ReadNode returns the current numbers of a node, without the frames that CPUs have cached. ok is false if there is no
// such node.
//
// Locks: takes zone.mu.
func ReadNode(c *percpu.CPU, node uint32) (s abi.MemNode, ok bool) {
	if node >= frames.nodes {
		return s, false
	}
	z := zoneAt(node)
	z.mu.Lock(c)
	s.TotalPages, s.FreePages, s.SinglePages = z.total, z.unused.Load(), z.unused.Load()
	for order, n := range z.counts {
		s.Blocks[order] = uint64(n)
		s.SinglePages -= uint64(n) << order
	}
	for i := z.at; i < z.freshCount; i++ {
		s.FreshPages += uint64(z.freshAt(i).end - z.freshAt(i).next)
	}
	s.SinglePages -= s.FreshPages
	z.mu.Unlock(c)
	return s, true
}
