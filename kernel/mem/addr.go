// Package mem is physical memory, page tables, address spaces and TLB shootdown.
//
// Layer: core.
// Context: interrupts off.
// Locks: Space.mu > Cache.mu > mapped.mu > zone.mu; no function here blocks.
// Manual: Intel SDM vol. 3A, "Paging" and "Invalidation of TLBs and
// Paging-Structure Caches".
// Chapter: docs/05-memory.md.
// Left out: PCID, swapping, sharing between address spaces, large pages for programs.
package mem

import (
	"unsafe"

	"muster/kernel/layout"
)

// PhysAddr is a physical address.
type PhysAddr uint64

// Direct returns the virtual address of physical RAM in the direct map.
func Direct(p PhysAddr) uintptr { return layout.DirectBase + uintptr(p) }

// DirectPhys is the inverse of Direct.
func DirectPhys(va uintptr) PhysAddr { return PhysAddr(va - layout.DirectBase) }

func roundUp(x, to uintptr) uintptr   { return (x + to - 1) &^ (to - 1) }
func roundDown(x, to uintptr) uintptr { return x &^ (to - 1) }

// Range is a half-open range of physical memory.
type Range struct{ Start, End PhysAddr }

// Len returns its size in bytes.
func (r Range) Len() uint64 {
	if r.End < r.Start {
		return 0
	}
	return uint64(r.End - r.Start)
}

func ptr[T any](va uintptr) *T { return (*T)(unsafe.Pointer(va)) }
