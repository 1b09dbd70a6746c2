// Package layout defines where things are in the kernel's half of the address
// space, and how the linker laid out the image.
//
// The lower half, below 2^47, belongs to ring-3 programs, one address space
// each. The upper half is the same in every address space, so no system call
// and no interrupt changes CR3.
//
// Layer: core.
// Context: any; constants and read-only data.
// Locks: none.
// Manual: Intel SDM vol. 3A, "4-Level Paging".
// Chapter: docs/05-memory.md.
package layout

import "unsafe"

const (
	PageShift = 12
	PageSize  = 1 << PageShift
	LargePage = 2 << 20
	HugePage  = 1 << 30

	// UserEnd is the first address that no ring-3 mapping reaches. The last page
	// of the lower half stays empty: a SYSCALL at its end would return to a
	// non-canonical address (Intel SDM vol. 2B, "SYSRET").
	UserEnd = 1<<47 - PageSize
	// UserStart leaves the pages below it unmapped, so that nil dereferences with
	// large field offsets fault.
	UserStart = 64 << 10

	// DirectBase maps all RAM at DirectBase+physical, never executable.
	DirectBase = 0xffff800000000000
	DirectEnd  = GoBase

	// GoBase is where the kernel's own Go runtime gets its memory: heap, stacks,
	// tables. One PML4 entry, 512 GiB.
	GoBase = 0xffffa00000000000
	GoEnd  = GoBase + 1<<39

	// MapBase starts the range of single mappings: kernel stacks between guard
	// pages, per-CPU blocks, device registers, the frame table. One PML4 entry.
	MapBase = 0xffffc00000000000
	MapEnd  = MapBase + 1<<39

	// Poison is never mapped. The fake g of core code points into it, so a fault
	// here means that core code called a forbidden part of the runtime
	// (docs/03-hosting-go.md).
	Poison    = 0xffffdead00000000
	PoisonEnd = Poison + 1<<32

	// ImageBase + Load is the address of the image in linker.ld.
	ImageBase = 0xffffffff80000000
	Load      = 0x200000
	// ClockPage is where the kernel has the page of time data (package clock). Instructions
	// reach the last 2 GiB by a 32-bit number, without a register.
	ClockPage = 0xffffffffff5ff000
	// ImageWindow is what the boot page tables map from ImageBase+Load on: 128 MiB
	// from ImageBase.
	ImageWindow = 128<<20 - Load
)

// Segments is the table that linker.ld stores in the first page of the image.
// All fields but Magic are virtual addresses; ends are exclusive.
type Segments struct {
	Magic                    [8]byte
	Start                    uintptr
	TextStart, TextEnd       uintptr
	RodataStart, RodataEnd   uintptr
	DataStart, End           uintptr
	PclntabStart, PclntabEnd uintptr
}

// SegmentsAddr is the address of the table, fixed in linker.ld.
const SegmentsAddr = ImageBase + Load + 0x200

// Image returns the segment table of the running kernel. On the host there is no
// table, and reading the result faults.
func Image() *Segments {
	a := uintptr(SegmentsAddr)
	return (*Segments)(unsafe.Pointer(a))
}
