package boot

import "muster/kernel/cpu"

// Jump is the argument of longMode: the page tables, and the address in 64-bit
// mode. All its numbers are physical, below 4 GiB.
type Jump struct {
	Offset   uint32 // far pointer: the code, and
	Selector uint32 // its segment, in the low half
	CR3      uint32
}

// Registers as longMode sets them, on the boot CPU and on every AP: page tables with NX
// bits, SYSCALL, SSE, caches on. They are set and not or-ed, so that nothing is left of
// what firmware had on: five-level page tables (CR4.LA57), which can be turned off only
// here, where paging is off, or EFER.FFXSR. Package cpus sets the rest of CR4.
const (
	efer     = cpu.MSREFER
	longEFER = cpu.EFERSyscall | cpu.EFERLongMode | cpu.EFERNoExecute
	longCR4  = cpu.CR4PAE | cpu.CR4FXSR | cpu.CR4XMMExcept
	longCR0  = cpu.CR0Wanted
)

// IA32_MISC_ENABLE of Intel CPUs (Intel SDM vol. 4, "Architectural MSRs"), and the
// vendor's name in CPUID leaf 0.
const (
	miscEnable     = cpu.MSRMiscEnable
	miscLimitCPUID = cpu.MiscLimitCPUID
	miscNoXD       = cpu.MiscNoXD >> 32
	vendorB        = cpu.IntelB
	vendorD        = cpu.IntelD
)

// LongMode returns the address of longMode's code. The code refers only to its
// registers, so package trampoline can copy it to the page where APs start.
func LongMode() (code uintptr)
