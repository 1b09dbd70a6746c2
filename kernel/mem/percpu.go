package mem

import (
	"unsafe"

	"muster/kernel/layout"
	"muster/kernel/list"
	"muster/kernel/lock"
	"muster/kernel/percpu"
)

// Per-CPU memory: objects of which every CPU has an instance of its own, on cache
// lines of its own. They are cut from chunks. A chunk has a unit of addresses for
// each possible CPU, at the same distance from one another. So an object is
// identified by the address of CPU 0's instance, and a multiplication finds the
// instance of another CPU. A unit's pages get memory when an object needs them, and
// for existing CPUs only.

// perUnit is the size of a unit, and with it of the largest object.
const perUnit = 16 << 10

// PerCPUMax is the size of the largest per-CPU object, in bytes.
const PerCPUMax = perUnit

// line is the alignment of objects, so that no two CPUs write to the same one.
const line = 64

// unitLines is how many lines a unit has.
const unitLines = perUnit / line

// PerCPU is an object with an instance on every CPU: the address of CPU 0's.
type PerCPU uintptr

// On returns the address of a CPU's instance.
func (p PerCPU) On(id uint32) uintptr { return uintptr(p) + uintptr(id)*perUnit }

// perChunk is one range of units.
type perChunk struct {
	link list.Link // first: in perCPU.chunks
	base uintptr
	used [unitLines / 64]uint64 // a bit for each line in use
}

// chunkOf returns the chunk of a link, nil for nil.
func chunkOf(k *list.Link) *perChunk { return (*perChunk)(unsafe.Pointer(k)) }

var perCPU struct {
	mu     lock.Spin // guards the list and the bits
	chunks list.Stack
	cache  Cache
}

// InitPerCPU prepares per-CPU memory.
//
// Context: boot CPU, after Init.
func InitPerCPU() {
	perCPU.mu.Rank = lock.RankPerCPU
	perCPU.cache.Name = "chunk"
	perCPU.cache.Init(unsafe.Sizeof(perChunk{}))
}

// AllocPerCPU returns a zeroed object of n bytes, at most PerCPUMax, for all CPUs,
// those that are added later too. ok is false when little memory is left. breathe
// lets other threads run between two CPUs' pages, and may be nil at boot.
//
// Context: no lock held. Returns the CPU on which the caller goes on.
// Locks: takes perCPU.mu, and mapped.mu.
func AllocPerCPU(c *percpu.CPU, n uintptr, breathe func(*percpu.CPU) *percpu.CPU) (next *percpu.CPU, p PerCPU, ok bool) {
	if n == 0 || n > perUnit {
		return c, 0, false
	}
	pages := uint64(percpu.Count()) * uint64(roundUp(n, layout.PageSize)/layout.PageSize+1)
	if !poolHas(c, pages+frames.reserve/2) {
		return c, 0, false
	}
	p, ok = reservePerCPU(c, uint(roundUp(n, line)/line))
	if !ok {
		return c, 0, false
	}
	for id := uint32(0); id < percpu.Count(); id++ { // one that comes now has AddPerCPU
		backUnit(c, p.On(id), n)
		if breathe != nil {
			c = breathe(c)
		}
	}
	return c, p, true
}

// reservePerCPU takes lines of the first chunk that has enough in a row, or of a
// new one.
func reservePerCPU(c *percpu.CPU, lines uint) (p PerCPU, ok bool) {
	perCPU.mu.Lock(c)
	for l := perCPU.chunks.Top(); l != nil && !ok; l = l.Below() {
		k := chunkOf(l)
		var at uint
		if at, ok = k.take(lines); ok {
			p = PerCPU(k.base + uintptr(at)*line)
		}
	}
	if !ok {
		if k := (*perChunk)(perCPU.cache.Alloc(c)); k != nil {
			k.base = ReserveMap(c, 0, percpu.Max*perUnit)
			perCPU.chunks.Push(&k.link)
			_, ok = k.take(lines)
			p = PerCPU(k.base) // the first lines of a new chunk
		}
	}
	perCPU.mu.Unlock(c)
	return p, ok
}

// take finds lines free lines in a row and marks them as used.
func (k *perChunk) take(lines uint) (at uint, ok bool) {
	run := uint(0)
	for i := range uint(unitLines) {
		if k.used[i/64]>>(i%64)&1 != 0 {
			run = 0
		} else if run++; run == lines {
			at = i + 1 - lines
			k.mark(at, lines, true)
			return at, true
		}
	}
	return 0, false
}

func (k *perChunk) mark(at, lines uint, used bool) {
	for i := at; i < at+lines; i++ {
		if used {
			k.used[i/64] |= 1 << (i % 64)
		} else {
			k.used[i/64] &^= 1 << (i % 64)
		}
	}
}

// backUnit maps the pages of n bytes at va that are not mapped yet.
func backUnit(c *percpu.CPU, va, n uintptr) {
	for page := roundDown(va, layout.PageSize); page < va+n; page += layout.PageSize {
		mapped.mu.Lock(c)
		if e := entryOf(kernelRoot, page); e == nil || *e == 0 {
			mapPage(c, page, mustZeroed(c), pteRAM)
		}
		mapped.mu.Unlock(c)
	}
}

// AddPerCPU gives a CPU that is about to be registered its instances of all
// objects.
//
// Locks: takes perCPU.mu, and mapped.mu.
func AddPerCPU(c *percpu.CPU, id uint32) {
	perCPU.mu.Lock(c)
	for l := perCPU.chunks.Top(); l != nil; l = l.Below() {
		k := chunkOf(l)
		for i := uint(0); i < unitLines; i++ {
			if k.used[i/64]>>(i%64)&1 != 0 {
				backUnit(c, k.base+uintptr(id)*perUnit+uintptr(i)*line, line)
				i |= layout.PageSize/line - 1 // the rest of the page has memory now
			}
		}
	}
	perCPU.mu.Unlock(c)
}

// FreePerCPU takes back an object of n bytes from AllocPerCPU. Its pages stay.
//
// Context: as AllocPerCPU; no CPU uses the object.
// Locks: takes perCPU.mu.
func FreePerCPU(c *percpu.CPU, p PerCPU, n uintptr, breathe func(*percpu.CPU) *percpu.CPU) *percpu.CPU {
	for id := uint32(0); id < percpu.Count(); id++ { // free lines are zero
		clearWords(p.On(id), roundUp(n, line))
		if breathe != nil {
			c = breathe(c)
		}
	}
	perCPU.mu.Lock(c)
	for l := perCPU.chunks.Top(); l != nil; l = l.Below() {
		k := chunkOf(l)
		if off := uintptr(p) - k.base; off < perUnit {
			k.mark(uint(off/line), uint(roundUp(n, line)/line), false)
		}
	}
	perCPU.mu.Unlock(c)
	return c
}
