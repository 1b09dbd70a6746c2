package mem

import (
	"sync/atomic"
	"unsafe"

	"muster/kernel/atom"
	"muster/kernel/cpu"
	"muster/kernel/layout"
	"muster/kernel/percpu"
	"muster/kernel/upcall"
)

// Page-table entry bits (Intel SDM vol. 3A, "4-Level Paging and 5-Level Paging").
const (
	ptePresent  = 1 << 0
	pteWrite    = 1 << 1
	pteUser     = 1 << 2
	pteThrough  = 1 << 3 // PWT
	pteUncached = 1 << 4 // PCD
	pteLarge    = 1 << 7
	pteGlobal   = 1 << 8
	pteHidden   = 1 << 9  // this kernel's: not present, but not empty: a frame of PROT_NONE, or a Pool's range without memory
	pteComing   = 1 << 11 // this kernel's: not present; a page fault is bringing the frame in: quick.go
	pteNoExec   = 1 << 63

	pteAddr = 0x000ffffffffff000

	// pteTable leaves all restrictions to the last level.
	pteTable     = ptePresent | pteWrite
	pteUserTable = pteTable | pteUser
	// pteRAM is data of the kernel.
	pteRAM = ptePresent | pteWrite | pteGlobal | pteNoExec
)

const entries = 512

// kernelRoot is the top table that only the kernel uses; its upper half is copied
// into every other one and never changes after Init.
var kernelRoot PhysAddr

// KernelRoot returns the top table of the kernel's own address space.
func KernelRoot() PhysAddr { return kernelRoot }

// copyKernelHalf makes another top table map the upper half as the kernel's own one
// does.
func copyKernelHalf(root PhysAddr) {
	for i := uintptr(entries / 2); i < entries; i++ {
		*entryAt(root, i) = *entryAt(kernelRoot, i)
	}
}

func index(va uintptr, level uint) uintptr { return va >> (12 + 9*level) & (entries - 1) }

// word makes an entry atomic: the CPUs set bits of it, and page faults come without a lock.
func word(e *uint64) *atom.Uint64 { return (*atom.Uint64)(unsafe.Pointer(e)) }

func entryAt(table PhysAddr, i uintptr) *uint64 { return ptr[uint64](Direct(table) + i*8) }

func tableOf(e uint64) PhysAddr { return PhysAddr(e & pteAddr) }

// entryOf returns the last-level entry of va, nil when a table is missing or a
// large page maps it.
func entryOf(root PhysAddr, va uintptr) *uint64 {
	t := root
	for level := uint(3); ; level-- {
		e := entryAt(t, index(va, level))
		if level == 0 {
			return e
		}
		v := word(e).Load()
		if v&ptePresent == 0 || v&pteLarge != 0 {
			return nil
		}
		t = tableOf(v)
	}
}

// entryMake is entryOf, but makes the tables that are missing, and adds their number
// to made, unless that is nil. nil means that no frame is left for a table, or that a large page maps va.
//
// Locks: the lock of root's space held; not asserted: only the caller has it. During
// boot and for a new table there is no such lock.
func entryMake(root PhysAddr, va uintptr, tableBits uint64, c *percpu.CPU, made *uint64) *uint64 {
	t := root
	for level := uint(3); ; level-- {
		e := entryAt(t, index(va, level))
		if level == 0 {
			return e
		}
		v := *e
		if v&ptePresent == 0 {
			if tableBits&pteUser != 0 && !Plenty(c) {
				return nil
			}
			p, ok := allocZeroed(c)
			if !ok {
				return nil
			}
			v = uint64(p) | tableBits
			atomic.StoreUint64(e, v) // a walk without the lock sees a whole entry
			if made != nil {
				*made++
			}
		} else if v&pteLarge != 0 {
			return nil
		}
		t = tableOf(v)
	}
}

// Readable reports whether the 8 bytes at va can be read without a fault. It walks
// the tables in software, for code that must not fault.
func Readable(va uintptr) bool {
	if va&7 != 0 || kernelRoot == 0 {
		return false
	}
	if sign := int64(va) >> 47; sign != 0 && sign != -1 {
		return false
	}
	t := PhysAddr(cpu.ReadCR3() & pteAddr)
	for level := uint(3); ; level-- {
		v := atomic.LoadUint64(entryAt(t, index(va, level)))
		if v&ptePresent == 0 {
			return false
		}
		if level == 0 || v&pteLarge != 0 {
			return v&pteUncached == 0 // a read of a register may have effects
		}
		t = tableOf(v)
	}
}

// Peek returns the 8 bytes at va, an address of the loaded space. It does not fault, in an
// NMI either: it walks the tables in software, and reads the frame through the direct map.
// Another CPU may take va out of the tables meanwhile. It cannot free the tables or the
// frame before this CPU has answered the flush, and an NMI handler answers none.
func Peek(va uintptr) (word uint64, ok bool) {
	if va&7 != 0 || kernelRoot == 0 {
		return 0, false
	}
	if sign := int64(va) >> 47; sign != 0 && sign != -1 {
		return 0, false
	}
	p, ok := physical(PhysAddr(cpu.ReadCR3()&pteAddr), va)
	if !ok {
		return 0, false
	}
	if _, ok = physical(kernelRoot, Direct(p)); !ok { // no RAM: firmware's tables, a framebuffer
		return 0, false
	}
	return *ptr[uint64](Direct(p)), true
}

// physical returns the physical address that a space maps va to, if it is memory.
func physical(root PhysAddr, va uintptr) (p PhysAddr, ok bool) {
	for level, t := uint(3), root; ; level-- {
		v := atomic.LoadUint64(entryAt(t, index(va, level)))
		if v&ptePresent == 0 {
			return 0, false
		}
		t = tableOf(v)
		if level == 0 || v&pteLarge != 0 {
			within := uintptr(1)<<(12+9*level) - 1
			return t&^PhysAddr(within) | PhysAddr(va&within), v&pteUncached == 0
		}
	}
}

// mapPage sets one page of the kernel's half. The entry must be empty.
func mapPage(c *percpu.CPU, va uintptr, p PhysAddr, bits uint64) {
	e := entryMake(kernelRoot, va, pteTable, c, nil)
	if e == nil || *e != 0 {
		upcall.Panic(c, "mem: kernel page cannot be mapped; address, physical", uint64(va), uint64(p))
	}
	atomic.StoreUint64(e, uint64(p)|bits)
}

// largest returns the largest page size that fits at va and p for n bytes.
func largest(va uintptr, p PhysAddr, n uintptr, huge bool) uintptr {
	both := va | uintptr(p)
	switch {
	case huge && both&(layout.HugePage-1) == 0 && n >= layout.HugePage:
		return layout.HugePage
	case both&(layout.LargePage-1) == 0 && n >= layout.LargePage:
		return layout.LargePage
	}
	return layout.PageSize
}
