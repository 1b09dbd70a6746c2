package boot

import "muster/kernel/cpu"

// Jump is the argument of longMode: the page tables, and the address in 64-bit
// mode. All its numbers are physical, below 4 GiB.
type Jump struct {
	Offset   uint32 // far pointer: the code, and
	Selector uint32 // its segment, in the low half
	CR3      uint32
}

// Registers as longMode sets them, on the boot CPU and on every AP: page tables
// with NX bits, SYSCALL, SSE, caches on. Package start sets the rest of CR4.
const (
	efer     = cpu.MSREFER
	longEFER = cpu.EFERSyscall | cpu.EFERLongMode | cpu.EFERNoExecute
	longCR4  = cpu.CR4PAE | cpu.CR4FXSR | cpu.CR4XMMExcept

	longCR0Set  = cpu.CR0Paging | cpu.CR0WriteProtect | cpu.CR0NumericError | cpu.CR0MonitorFPU | cpu.CR0ProtectedMode
	longCR0Keep = ^uint32(cpu.CR0EmulateFPU | cpu.CR0TaskSwitched | cpu.CR0NotThrough | cpu.CR0CacheDisable)
)

// LongMode returns the address of longMode's code. The code refers only to its
// registers, so package trampoline can copy it to the page where APs start.
func LongMode() (code uintptr)
