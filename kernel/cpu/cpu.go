// Package cpu has one function for each privileged instruction, the names of
// the registers they reach, and the frame that entry stubs leave on a stack.
//
// Layer: core.
// Context: as each instruction requires; most need ring 0.
// Locks: none.
// Manual: Intel SDM vol. 2 for the instructions, vol. 3A "System Architecture
// Overview" for the registers.
// Chapter: docs/01-boot.md.
// Left out: instructions that no part of the kernel executes.
package cpu

// In8 reads one byte from an I/O port.
func In8(port uint16) uint8

// In16 reads two bytes from an I/O port.
func In16(port uint16) uint16

// In32 reads four bytes from an I/O port.
func In32(port uint16) uint32

// The instructions by which package cpu writes to privileged registers; audit.go
// has the callers.
func out8(port uint16, v uint8)
func out16(port uint16, v uint16)
func out32(port uint16, v uint32)

// ReadMSR returns a model-specific register. One that this CPU does not have
// raises #GP: check CPUID first.
func ReadMSR(msr uint32) uint64

func writeMSR(msr uint32, v uint64)

// CPUID returns the registers that CPUID sets for leaf EAX and subleaf ECX. It
// serializes execution.
func CPUID(leaf, subleaf uint32) (eax, ebx, ecx, edx uint32)

// TSC returns the time-stamp counter. Earlier loads may not be complete: for an
// ordered reading use TSCOrdered.
func TSC() uint64

// TSCOrdered returns the time-stamp counter after all earlier loads are done
// (LFENCE; RDTSC: Intel SDM vol. 2B, "RDTSC").
func TSCOrdered() uint64

// ReadCR0 returns control register 0.
func ReadCR0() uint64

// WriteCR0 sets control register 0.
func WriteCR0(v uint64)

// ReadCR2 returns the address of the last page fault.
func ReadCR2() uintptr

// ReadCR3 returns the physical address of the page-table root, and flags in the low 12 bits.
func ReadCR3() uint64

func writeCR3(v uint64)

// InvalidatePage drops this CPU's translations of the page that contains va, those of upper
// levels for any address, and those that are global (Intel SDM vol. 3A, "Operations that
// Invalidate TLBs and Paging-Structure Caches").
func InvalidatePage(va uintptr)

// ReadCR4 returns control register 4.
func ReadCR4() uint64

func writeCR4(v uint64)

// ReadXCR0 returns the set of enabled XSAVE state components.
func ReadXCR0() uint64

func loadGDT(base uintptr, n uint16, data uint16)
func loadIDT(base uintptr, n uint16)
func loadTR(selector uint16)
func loadLDT(selector uint16)

// SetUserGSBase sets the GS base that ring 3 finds after the next SWAPGS.
//
// Context: interrupts off, kernel GS loaded.
func SetUserGSBase(v uintptr)

// UserGSBase returns the GS base that SetUserGSBase, or ring 3 by WRGSBASE, has set
// last.
//
// Context: interrupts off, kernel GS loaded.
func UserGSBase() uintptr

// SaveFX stores x87, MXCSR and XMM state in the 512 bytes at p, aligned to 16.
func SaveFX(p uintptr)

// SaveState stores every state component that XCR0 enables in the XSAVE area at p,
// aligned to 64, or x87, MXCSR and XMM state on a CPU without XSAVE. It writes neither the reserved bytes nor the rest of the header.
func SaveState(p uintptr)

// ClearX87Pointers overwrites the x87 instruction and data pointers. See Features.X87Leak.
//
// Context: vector state that is about to be replaced.
func ClearX87Pointers()

// RestoreState loads what SaveState stored. X15 is zero again afterwards, as compiled
// code expects, since the wrapper around this call clears it.
func RestoreState(p uintptr)

// ReadDR6 and WriteDR6 access the debug status register.
func ReadDR6() uint64
func WriteDR6(v uint64)

// ReadDR7 returns the debug control register.
func ReadDR7() uint64

func writeDR7(v uint64)

// ReadLDT returns the selector of the local descriptor table.
func ReadLDT() uint16

// writeBack writes all modified cache lines to memory and empties the caches.
func writeBack()

// ClearSelectors loads 0 into DS, ES, FS and GS. The bases of FS and GS stay as they are.
//
// Context: interrupts off. An NMI in it does no harm: its handler relies on neither base.
func ClearSelectors()

// LoadMXCSR sets the SSE control and status register.
func LoadMXCSR(v uint32)

// Pause is the hint to the CPU that it runs a spin-wait loop.
func Pause()

// Wait enables interrupts, halts until one has been handled, and disables them. STI
// takes effect after HLT has begun, so no interrupt is handled in between (Intel
// SDM vol. 2B, "STI").
//
// Context: interrupts off; a handler runs on this stack.
func Wait()

// Window enables interrupts for one instruction, so that pending ones are handled.
//
// Context: interrupts off; handlers run on this stack.
func Window()

// Stop disables interrupts and halts without end. After an NMI the CPU halts again.
func Stop()

// DisableInterrupts clears IF. Core code runs with interrupts off already; this is
// for the moments before that holds.
func DisableInterrupts()

// Breakpoint executes INT3.
func Breakpoint()

// Frame is what every entry stub leaves on the stack: the general registers, the
// vector and the error code, and the five words that the CPU pushed (Intel SDM vol.
// 3A, "64-Bit Mode Stack Frame").
type Frame struct {
	R15, R14, R13, R12, R11, R10, R9, R8 uint64
	DI, SI, BP, DX, CX, BX, AX           uint64
	Vector, Error                        uint64
	IP, CS, Flags, SP, SS                uint64
}

// FrameSize is the number of bytes in a Frame.
const FrameSize = 22 * 8

// User reports whether the frame was taken in ring 3. Ring 0 has no other CS than KernelCS.
func (f *Frame) User() bool { return uint16(f.CS) != KernelCS }

// SetByCall completes the frame of a system call, in which all registers but AX are to be right. The entry stub leaves out RCX and R11, into which
// SYSCALL has put the return address and the flags (Intel SDM vol. 2B, "SYSCALL"), as most calls leave by SYSRET, which does the same
// again. And it has stored BP as the error code, which only traps have: there it is a part of a frame-pointer record.
//
// Context: before the frame is changed.
func (f *Frame) SetByCall() { f.CX, f.R11, f.BP = f.IP, f.Flags, f.Error }

// Foreign reports whether the frame was taken in ring 3 with a CS or SS that the kernel
// gives to no program. CPUs do not let a program load one. QEMU 10.0 does: its MOV to CS
// accepts 0 and each selector whose privilege level is at most 3.
func (f *Frame) Foreign() bool {
	return f.User() && (uint16(f.CS) != UserCS || uint16(f.SS) != UserSS)
}

// Selectors. SYSCALL and SYSRET fix their order (Intel SDM vol. 3A, "Fast System
// Calls in 64-Bit Mode"): kernel code, kernel data; user data, user code. Ring 3's are
// Linux's, because programs see them in signal frames, and may write them there.
const (
	KernelCS = 0x08
	KernelSS = 0x10
	UserSS   = 0x28 | 3
	UserCS   = 0x30 | 3
	TSS      = 0x38
)

// Descriptors of the kernel's code and data, for every table that holds them
// (Intel SDM vol. 3A, "Segment Descriptors").
const (
	DescKernelCode = 0x00af9b000000ffff // present, DPL 0, code, 64-bit, accessed
	DescKernelData = 0x00cf93000000ffff // present, DPL 0, data, writable, accessed
)

// RFLAGS bits.
const (
	FlagCarry     = 1 << 0
	FlagFixed     = 1 << 1 // reads as one
	FlagTrap      = 1 << 8
	FlagInterrupt = 1 << 9
	FlagDirection = 1 << 10
	FlagIOPL      = 3 << 12
	FlagNested    = 1 << 14
	FlagResume    = 1 << 16
	FlagAC        = 1 << 18
)
