// Package trampoline is the page that an AP starts on: code from 16 to 64 bits, its
// parameters, and the slots where the APs report how far they came.
//
// Layer: core; building the page is pure.
// Context: the code runs on a CPU without a stack and a g.
// Locks: none; a slot is taken with one atomic add.
// Manual: Intel SDM vol. 3A, "Multiple-Processor Management".
// Chapter: docs/08-starting-cpus.md.
// Left out: 5-level paging.
package trampoline

import (
	"unsafe"

	"muster/boot"
	"muster/kernel/abi"
	"muster/kernel/cpu"
)

// Size is the size of the page, which lies on a page boundary below 1 MiB.
const Size = 4096

// Offsets in the page; the assembly uses them too.
const (
	offCode32 = 0x100
	offLong   = 0x180 // boot's longMode
	offCode64 = 0x200
	offGDT    = 0x300

	offGDTR    = 0x400 // limit and address of the table
	offFar32   = 0x408 // where code16 jumps: offset and selector
	offJump    = 0x410 // a boot.Jump, to code64
	offEntry   = 0x428
	offCounter = 0x430
	offSlots   = 0x440

	slotCount = 150
	slotSize  = 20 // APIC id, stage, low halves of the counter at the first three stages
)

var (
	_ [Size - offSlots - slotCount*slotSize]byte            // the slots fit,
	_ [offEntry - offJump - unsafe.Sizeof(boot.Jump{})]byte // and the Jump
)

// Slots is how many CPUs can start from one page; then the page is built again.
const Slots = slotCount

// Selectors: the kernel's, and one for 32-bit code.
const (
	sel64   = cpu.KernelCS
	selData = cpu.KernelSS
	sel32   = 0x18

	desc32 = 0x00cf9b000000ffff
)

// Stages of a starting CPU, which writes them itself: up to LongMode64 in its slot,
// then in its block.
const (
	StageNone = iota
	StageRealMode16
	StageProtected32
	StageLongMode64
	StageHighHalf    // upper half, kernel's page tables
	StageFoundBlock  // has found its block and its number
	StageControl     // CR0, CR4, XCR0
	StageTables      // GDT, IDT, TSS, SYSCALL
	StageLocalAPIC   // its local APIC is on
	StageMitigations // SMEP, SMAP, UMIP
	StageReady       // reports that it is ready, and waits
	StageProceed     // has received the request to proceed
	StageTimer       // ticks
	StageScheduler   // takes threads
	StageIdleLoop
	stages
)

var _ [abi.Stages - stages]struct{} // a CPU's block has room for the time of each

var stageNames = [stages]string{"none", "RealMode16", "Protected32", "LongMode64", "HighHalf",
	"FoundBlock", "Control", "Tables", "LocalAPIC", "Mitigations", "Ready", "Proceed", "Timer",
	"Scheduler", "IdleLoop"}

// StageName returns a stage's name for log lines.
func StageName(stage uint32) string {
	if stage < stages {
		return stageNames[stage]
	}
	return "unknown"
}

// pieces returns the addresses of the code.
func pieces() (code16, code32, code64 uintptr)

// Params is what a starting CPU needs.
type Params struct {
	CR3   uint32 // page tables that map the page to itself, and the upper half
	Entry uint64 // address of the 64-bit entry in the upper half

	// StopAt makes every CPU halt at this stage, 1 to 3, for tests; 0 is none.
	StopAt uint32
}

// Build fills the page, which will be at physical address phys.
func Build(page *[Size]byte, phys uint32, p Params) {
	*page = [Size]byte{}
	code16, code32, code64 := pieces()
	copyPiece(page[:offCode32], code16)
	copyPiece(page[offCode32:offLong], code32)
	copyPiece(page[offLong:offCode64], boot.LongMode())
	copyPiece(page[offCode64:offGDT], code64)
	put(page, offGDT+sel64, cpu.DescKernelCode, 8)
	put(page, offGDT+selData, cpu.DescKernelData, 8)
	put(page, offGDT+sel32, desc32, 8)
	put(page, offGDTR, 0x1f, 2)
	put(page, offGDTR+2, uint64(phys)+offGDT, 4)
	put(page, offFar32, uint64(phys)+offCode32, 4)
	put(page, offFar32+4, sel32, 2)
	*(*boot.Jump)(unsafe.Pointer(&page[offJump])) = boot.Jump{Offset: phys + offCode64, Selector: sel64, CR3: p.CR3}
	put(page, offEntry, p.Entry, 8)
	switch p.StopAt {
	case StageRealMode16:
		haltAfter(page[:offCode32], [...]byte{0xc7, 0x45, 0x04, StageRealMode16, 0})
	case StageProtected32:
		haltAfter(page[offCode32:offLong], [...]byte{0xc7, 0x47, 0x04, StageProtected32, 0})
	case StageLongMode64:
		haltAfter(page[offCode64:offGDT], [...]byte{0xc7, 0x47, 0x04, StageLongMode64, 0})
	}
}

// haltAfter puts CLI; HLT; JMP back to HLT after the instruction that stores a stage.
func haltAfter(piece []byte, store [5]byte) {
	for i := 0; i+len(store)+6 <= len(piece); i++ {
		if [5]byte(piece[i:i+5]) == store {
			at := i + 5
			if store[1] == 0x47 {
				at += 2 // the immediate has four bytes there
			}
			copy(piece[at:], halt[:])
			return
		}
	}
}

var halt = [...]byte{0xfa, 0xf4, 0xeb, 0xfd}

func copyPiece(to []byte, from uintptr) {
	copy(to, unsafe.Slice((*byte)(unsafe.Pointer(from)), len(to)))
}

func put(page *[Size]byte, off int, v uint64, width int) {
	for i := range width {
		page[off+i] = byte(v >> (8 * i))
	}
}

// Report is what a starting CPU has written to its slot.
type Report struct {
	APICID uint32
	Stage  uint32    // StageNone while no CPU has taken the slot
	TSC    [3]uint32 // low halves of the counter at RealMode16, Protected32, LongMode64
}

// Slot returns what slot i reports.
func Slot(page *[Size]byte, i int) Report {
	p := (*[slotSize / 4]uint32)(unsafe.Pointer(&page[offSlots+i*slotSize]))
	return Report{p[0], p[1], [3]uint32{p[2], p[3], p[4]}}
}

// Hash returns a hash of what a CPU executes and reads in the page: all bytes in
// front of the slots but the counter, which changes.
func Hash(page *[Size]byte) uint64 {
	const prime, basis = 1099511628211, 14695981039346656037 // FNV-1a
	h := uint64(basis)
	for i, b := range page[:offSlots] {
		if i >= offCounter && i < offCounter+8 {
			continue
		}
		h = (h ^ uint64(b)) * prime
	}
	return h
}
