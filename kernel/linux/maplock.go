package linux

import (
	"muster/kernel/layout"
	"muster/kernel/percpu"
	"muster/kernel/sched"
)

// Which addresses of a space are being changed. A thread that changes areas, in as many steps as that takes, holds the parts of
// this lock that its addresses belong to. So calls about different addresses run at the same time, and wait neither for each other's page
// tables nor for the answers to each other's flushes. Calls that change pages, and no area, do without the lock.
//
// An address belongs to a part by a hash of its place in units of 2 MiB, so that areas at a regular distance are in different parts, mostly. A range of
// more than mapParts units takes all parts. A thread takes its parts in ascending order, and waits for no other sleeping lock while it has one. So threads
// cannot wait for each other in a circle. Where a function says that the lock is held, it means the parts of its addresses.
type mapLock struct {
	parts [mapParts]struct {
		sched.Mutex
		_ [24]byte // each part has a cache line of its own
	}
}

// mapParts is how many parts there are. The more, the fewer threads meet without need, and the longer it takes to
// have all of them.
const (
	mapParts    = 1 << mapPartsLog
	mapPartsLog = 3
)

// parts is a set of parts, by bit.
type parts uint8

const allParts parts = 1<<mapParts - 1

func (m *mapLock) init() {
	for i := range m.parts {
		m.parts[i].Init()
	}
}

// partsOf returns the parts of [start, end), at least one.
func partsOf(start, end uintptr) (which parts) {
	first, last := start/layout.LargePage, (end-1)/layout.LargePage
	if end <= start || last-first >= mapParts {
		return allParts
	}
	for n := first; n <= last; n++ {
		which |= 1 << partOf(n)
	}
	return which
}

// partOf is the part of the addresses of unit n, 2 MiB. The factor is 2^64 divided by the golden ratio: numbers in a
// row, and those at any other regular distance, spread well over the upper bits of the product.
//
// Source: Knuth, "The Art of Computer Programming", vol. 3, section 6.4 "Hashing".
func partOf(n uintptr) uint { return uint(n * 0x9e3779b97f4a7c15 >> (64 - mapPartsLog)) }

// lock waits for parts and takes them.
//
// Context: no lock held. Returns the CPU on which the thread goes on.
func (m *mapLock) lock(c *percpu.CPU, which parts) *percpu.CPU {
	for i := range m.parts {
		if which>>i&1 != 0 {
			c = m.parts[i].Lock(c)
		}
	}
	return c
}

// unlock frees parts that the thread has.
func (m *mapLock) unlock(c *percpu.CPU, which parts) {
	for i := range m.parts {
		if which>>i&1 != 0 {
			m.parts[i].Unlock(c)
		}
	}
}

// AssertHeld panics in debug builds unless the current thread has the parts of [start, end).
func (m *mapLock) AssertHeld(c *percpu.CPU, start, end uintptr) {
	for i := range m.parts {
		if partsOf(start, end)>>i&1 != 0 {
			m.parts[i].AssertHeld(c)
		}
	}
}
