package mem

import (
	"unsafe"

	"muster/kernel/cpu"
	"muster/kernel/layout"
	"muster/kernel/lock"
	"muster/kernel/memmap"
	"muster/kernel/percpu"
	"muster/kernel/upcall"
)

// Boot is the argument of Init: physical memory.
type Boot struct {
	Delta    PhysAddr       // physical minus virtual address of the image
	Early    memmap.Range   // free RAM below 4 GiB: the first tables come from it
	RAM      []memmap.Range // all usable RAM, as package memmap returns it
	Free     []memmap.Range // of it, what is to be allocated, without Early
	HugePage bool           // the CPU has 1 GiB pages
}

// LowMemory is the end of the memory that the kernel does not use, except for the
// trampoline: firmware uses it, and some firmware corrupts it.
const LowMemory = 1 << 20

// early allocates pages before there is a frame allocator.
var early Range

func earlyPage() PhysAddr {
	if early.Len() < layout.PageSize {
		upcall.Panic(percpu.This(), "mem: early memory exhausted; start, end", uint64(early.Start), uint64(early.End))
	}
	p := early.Start
	early.Start += layout.PageSize
	clearPage(Direct(p))
	return p
}

// trampolineRoot is a page below 4 GiB: a starting CPU loads CR3 with 32 bits.
var trampolineRoot PhysAddr

// The fixed places in the map area: the frame table first, then what mapped cuts.
const (
	frameTable    = layout.MapBase
	frameTableEnd = layout.MapBase + 16<<30 // 4 Gi words: 16 TiB of RAM
)

// Init builds the kernel's page tables and the frame allocator, and loads CR3.
// Text becomes read-only and executable, rodata read-only, everything else not
// executable.
//
// Context: boot CPU, on the boot page tables, which map the first 4 GiB.
func Init(c *percpu.CPU, b *Boot) {
	initZones()
	frames.caches = PerCPU(unsafe.Pointer(&bootCache))
	early = rangeOf(b.Early)
	kernelRoot = earlyPage()
	trampolineRoot = earlyPage()
	for _, slot := range [2]uintptr{layout.GoBase, layout.MapBase} {
		*entryAt(kernelRoot, index(slot, 3)) = uint64(earlyPage()) | pteTable
	}
	for i := range b.RAM {
		r := rangeOf(b.RAM[i])
		earlyMap(Direct(r.Start), r.Start, uintptr(r.Len()), pteRAM, b.HugePage)
		earlyTables(r)
	}
	mapImage(b.Delta)
	cpu.WriteCR3(uint64(kernelRoot))
	frames.table = frameTable
	frames.memory = Direct(0)
	addRegions(b)
	mapped.next = frameTableEnd
	mapped.mu.Rank = lock.RankMap
}

func rangeOf(r memmap.Range) Range { return Range{PhysAddr(r.Start), PhysAddr(r.End)} }

// earlyMap maps n bytes at va to p with the largest pages that fit.
func earlyMap(va uintptr, p PhysAddr, n uintptr, bits uint64, huge bool) {
	for n > 0 {
		size := largest(va, p, n, huge)
		level, large := uint(0), uint64(0)
		switch size {
		case layout.LargePage:
			level, large = 1, pteLarge
		case layout.HugePage:
			level, large = 2, pteLarge
		}
		*earlyEntry(va, level) = uint64(p) | bits | large
		va, p, n = va+size, p+PhysAddr(size), n-size
	}
}

// earlyEntry returns va's entry at a level, and makes the tables above it. No large
// page maps va already, because the ranges of the memory map do not overlap.
func earlyEntry(va uintptr, level uint) *uint64 {
	t := kernelRoot
	for l := uint(3); l > level; l-- {
		e := entryAt(t, index(va, l))
		if *e == 0 {
			*e = uint64(earlyPage()) | pteTable
		}
		t = tableOf(*e)
	}
	return entryAt(t, index(va, level))
}

// earlyTables makes the tables for r's part of the frame table.
func earlyTables(r Range) {
	first := roundDown(frameTable+uintptr(r.Start>>layout.PageShift)*4, layout.LargePage)
	last := frameTable + uintptr((r.End-1)>>layout.PageShift)*4
	for va := first; va <= last; va += layout.LargePage {
		earlyEntry(va, 0)
	}
}

// mapImage maps the segments of the kernel, each with its own rights.
func mapImage(delta PhysAddr) {
	s := layout.Image()
	m := func(from, to uintptr, bits uint64) {
		earlyMap(from, PhysAddr(from)+delta, to-from, bits|ptePresent|pteGlobal, false)
	}
	m(s.Start, s.TextStart, pteNoExec)
	m(s.TextStart, s.TextEnd, 0)
	m(s.RodataStart, s.RodataEnd, pteNoExec)
	m(s.DataStart, s.End, pteNoExec|pteWrite)
}

// addRegions gives the frame allocator all free RAM above 1 MiB, and the rest of
// the early memory. The lists of regions, and of what was never used, lie in early pages.
func addRegions(b *Boot) {
	room := uintptr(len(b.Free) + 1)
	list := Direct(early.Start)
	for n := uintptr(0); n < room*(regionBytes+freshBytes); n += layout.PageSize {
		earlyPage()
	}
	pool.regions = unsafe.Slice(ptr[region](list), room)
	bootZone.fresh = list + room*regionBytes
	for i := range b.Free {
		r := rangeOf(b.Free[i])
		r.Start = max(r.Start, LowMemory)
		addRegion(r)
	}
	addRegion(early)
	early = Range{}
	frames.reserve = reserveFor(frames.total, 1)
}

// The reserve: pages that ring 3 cannot take. It is what the kernel may need while programs have
// all the rest. Its own Go runtime needs most of that: the self-tests with all that they
// make pass in reserveBase, on a machine of 64 MiB. Each CPU adds threads, stacks and caches of the
// runtime. Tables that describe memory grow with it.
const (
	reserveBase  = 24 << 20 / layout.PageSize
	reserveEach  = 128 << 10 / layout.PageSize
	reserveSpare = 1 << 20 / layout.PageSize // of reserveBase, for some CPUs and the tables of little memory
	reserveShare = 256                       // one part of so many of memory
)

// reserveFor returns the reserve of a machine, in pages.
func reserveFor(total uint64, cpus uint32) uint64 {
	return max(reserveBase, reserveBase-reserveSpare+total/reserveShare+reserveEach*uint64(cpus))
}

// runtimeFloor is the part of the reserve that the kernel's own runtime cannot take: the core
// needs it until a program has ended.
const runtimeFloor = reserveBase / 4

// RuntimeLimit is the GOMEMLIMIT of the kernel's own runtime, in bytes: a quarter of memory,
// within bounds. The limit may be above the reserve, because the runtime needs memory that
// programs have only when all is in use; then the largest program ends.
func RuntimeLimit() uint64 {
	return min(max(frames.total*layout.PageSize/4, reserveBase*layout.PageSize), 1<<30)
}

const (
	regionBytes = unsafe.Sizeof(region{})
	freshBytes  = unsafe.Sizeof(freshRAM{})
)

func addRegion(r Range) {
	if r.Len() == 0 {
		return
	}
	end := min(r.End>>layout.PageShift, PhysAddr(frameEnd))
	g := makeRegion(uint32(r.Start>>layout.PageShift), uint32(end))
	pool.regions[pool.count] = g
	pool.count++
	frames.total += r.Len() / layout.PageSize
	bootZone.total += r.Len() / layout.PageSize
	bootZone.addFresh(freshRAM{g.start, g.end})
}
