package mem

import (
	"muster/kernel/layout"
	"muster/kernel/lock"
	"muster/kernel/percpu"
	"muster/kernel/upcall"
)

// mapped is the range of single mappings. Addresses in it are cut off in order and
// never used again: there are 2^39 bytes of them.
var mapped struct {
	mu   lock.Spin
	next uintptr
}

// cut reserves n bytes of addresses, aligned to align, between unmapped pages.
//
// Locks: mapped.mu held.
func cut(c *percpu.CPU, n, align uintptr) uintptr {
	mapped.mu.AssertHeld(c)
	va := roundUp(mapped.next+layout.PageSize, align)
	mapped.next = va + roundUp(n, layout.PageSize)
	if mapped.next >= layout.MapEnd || mapped.next < va {
		upcall.Panic(c, "mem: no addresses left for kernel mappings; bytes", uint64(n), 0)
	}
	return va
}

// AllocMapped returns n bytes of zeroed memory, aligned to align, with an unmapped
// guard page on each side. The memory is never freed.
//
// Context: memory that the kernel cannot do without; panics when memory is exhausted.
// Locks: takes mapped.mu.
func AllocMapped(c *percpu.CPU, n, align uintptr) uintptr {
	mapped.mu.Lock(c)
	va := cut(c, n, align)
	for off := uintptr(0); off < n; off += layout.PageSize {
		mapPage(c, va+off, mustZeroed(c), pteRAM)
	}
	mapped.mu.Unlock(c)
	return va
}

// Caching is how the CPU treats a mapping.
type Caching uint64

// Kinds of caching. MTRRs may restrict them further.
const (
	Device    Caching = pteUncached | pteThrough | pteWrite // registers
	ReadOnly  Caching = 0                                   // firmware tables
	Combining Caching = pteThrough | pteWrite               // framebuffers, on a CPU with a PAT: stores are collected (cpu.PATWanted)
)

// MapPhys maps n bytes of physical memory from p on and returns their virtual
// address. The mapping is never removed; mapping the same bytes again costs
// addresses and tables, no RAM.
//
// Context: not for RAM that the frame allocator manages; up to MapChunk bytes.
// Locks: takes mapped.mu.
func MapPhys(c *percpu.CPU, p PhysAddr, n uintptr, kind Caching) uintptr {
	va := ReserveMap(c, p, n)
	FillMap(c, va, p, n, kind)
	return va
}

// MapChunk is the most that FillMap maps in one bounded step.
const MapChunk = 128 * layout.PageSize

// ReserveMap reserves addresses for n bytes of physical memory from p on, for
// FillMap to map chunk by chunk, and returns the address of the first byte.
func ReserveMap(c *percpu.CPU, p PhysAddr, n uintptr) uintptr {
	off := uintptr(p) & (layout.PageSize - 1)
	mapped.mu.Lock(c)
	va := cut(c, n+off, layout.PageSize)
	mapped.mu.Unlock(c)
	return va + off
}

// FillMap maps n bytes at va, from ReserveMap, to p.
func FillMap(c *percpu.CPU, va uintptr, p PhysAddr, n uintptr, kind Caching) {
	end := roundUp(va+n, layout.PageSize)
	p -= PhysAddr(va & (layout.PageSize - 1))
	mapped.mu.Lock(c)
	for va = roundDown(va, layout.PageSize); va < end; va += layout.PageSize {
		mapPage(c, va, p, uint64(kind)|ptePresent|pteGlobal|pteNoExec)
		p += layout.PageSize
	}
	mapped.mu.Unlock(c)
}

// TrampolineRoot returns the top table with which CPUs start: the kernel's, and
// one low page mapped to itself.
//
// Context: one CPU at a time, while no CPU is starting.
func TrampolineRoot(c *percpu.CPU, page PhysAddr) PhysAddr {
	copyKernelHalf(trampolineRoot)
	e := entryMake(trampolineRoot, uintptr(page), pteTable, c, nil)
	if e == nil {
		upcall.Panic(c, "mem: no frame left for the trampoline's tables", uint64(page), 0)
	}
	*e = uint64(page) | ptePresent | pteWrite
	return trampolineRoot
}

// UnmapTrampoline takes the low page out of the starting CPUs' address space.
func UnmapTrampoline(page PhysAddr) {
	if e := entryOf(trampolineRoot, uintptr(page)); e != nil {
		*e = 0
	}
}

// UserPage is one page that ring 3 may use, in an address space of its own. It is
// for a test of the mitigations that keep the kernel away from such pages.
type UserPage struct {
	Root PhysAddr // top table; 0 when there was no memory
	Addr uintptr
}

// NewUserPage makes a page whose first byte is b, which ring 3 may read, write and
// execute. It is never freed. The zero value says that little memory is left.
func NewUserPage(c *percpu.CPU, b byte) UserPage {
	const pages = 5 // the top table, three below it, the page
	if !Spares(c, pages) {
		return UserPage{}
	}
	root, page := mustZeroed(c), mustZeroed(c)
	copyKernelHalf(root)
	e := entryMake(root, layout.UserStart, pteUserTable, c, nil)
	if e == nil {
		upcall.Panic(c, "mem: no frame left for the tables of a test's page", uint64(page), 0)
	}
	*ptr[byte](Direct(page)) = b
	*e = uint64(page) | ptePresent | pteWrite | pteUser
	return UserPage{root, layout.UserStart}
}
