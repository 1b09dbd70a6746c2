package mem

import (
	"muster/kernel/layout"
	"muster/kernel/percpu"
)

// Pool is kernel mappings of one size whose memory comes back, such as stacks. Their
// addresses do not: a range without memory waits for the next Alloc. Its first
// page-table entry has the address of the next such range, so the list needs no memory.
type Pool struct {
	size uintptr
	bare uintptr // first range without memory, 0 for none; guarded by mapped.mu
}

// pteStack is a page of a Pool. It is not global: a write to CR3 has to drop it.
const pteStack = pteRAM &^ pteGlobal

// Init sets the size of the ranges, in bytes: whole pages.
func (p *Pool) Init(size uintptr) { p.size = size }

// Alloc returns zeroed memory with an unmapped guard page below it. ok is false when
// no frame is left.
//
// Context: no lock held. More than a few frames are free, so that the page tables can be
// made. A failure waits for the other CPUs, as Free does.
// Locks: takes mapped.mu.
func (p *Pool) Alloc(c *percpu.CPU) (low uintptr, ok bool) {
	low = p.reserve(c)
	for va := low; va < low+p.size; va += layout.PageSize {
		page, ok := AllocZeroed(c)
		if !ok {
			p.Free(c, []uintptr{low})
			return 0, false
		}
		mapped.mu.Lock(c)
		mapPage(c, va, page, pteStack)
		mapped.mu.Unlock(c)
	}
	return low, true
}

// reserve takes a range of addresses without memory.
//
// Locks: takes mapped.mu.
func (p *Pool) reserve(c *percpu.CPU) (low uintptr) {
	mapped.mu.Lock(c)
	if low = p.bare; low == 0 {
		low = cut(c, p.size, layout.PageSize)
	} else {
		e := entryOf(kernelRoot, low)
		p.bare = bareNext(*e)
		*e = 0
	}
	mapped.mu.Unlock(c)
	return low
}

// Free takes the memory of ranges back, with one flush of all CPUs.
//
// Context: no lock held; no CPU uses the ranges any more. Waits for the other CPUs.
// Locks: takes mapped.mu.
func (p *Pool) Free(c *percpu.CPU, ranges []uintptr) {
	var gone chain
	mapped.mu.Lock(c)
	for _, low := range ranges {
		for va := low; va < low+p.size; va += layout.PageSize {
			if e := entryOf(kernelRoot, va); e != nil && *e != 0 { // all but what Alloc did not get
				gone.add(c, tableOf(*e))
				*e = 0
			}
		}
	}
	mapped.mu.Unlock(c)
	Kernel.flush(c)
	gone.release(c)
	mapped.mu.Lock(c)
	for _, low := range ranges {
		if e := entryOf(kernelRoot, low); e != nil {
			*e = bareEntry(p.bare)
			p.bare = low
		}
	}
	mapped.mu.Unlock(c)
}

// bareEntry encodes the address of the next range in an entry that is not present:
// the bits of the address that an entry has, and one bit that is never 0.
func bareEntry(next uintptr) uint64 { return uint64(next)&pteAddr | pteHidden }

// bareNext is the inverse of bareEntry. All ranges lie in the upper half.
func bareNext(e uint64) uintptr {
	if e&pteAddr == 0 {
		return 0
	}
	return uintptr(e&pteAddr | 0xfff0_0000_0000_0000)
}
