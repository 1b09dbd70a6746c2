// Package trap is the way into the core and out of it: descriptor tables, entry
// stubs, and the first decision about each exception and interrupt.
//
// Layer: core.
// Context: everything here runs with interrupts off.
// Locks: none.
// Manual: Intel SDM vol. 3A, "Interrupt and Exception Handling" and "Fast System
// Calls in 64-Bit Mode"; vol. 1, "Managing State Using the XSAVE Feature Set".
// Chapter: docs/04-traps.md.
// Left out: KPTI; the boot warns on CPUs that need it.
package trap

import (
	"unsafe"

	"muster/kernel/abi"
	"muster/kernel/cpu"
	"muster/kernel/crash"
	"muster/kernel/fakeg"
	"muster/kernel/layout"
	"muster/kernel/lock"
	"muster/kernel/percpu"
	"muster/kernel/trace"
	"muster/kernel/upcall"
	"muster/kernel/vector"
)

// How a handler returns to the interrupted code. Any other value is the address of
// an XSAVE area to restore.
const (
	LeaveFast  = 0 // system calls: registers from the frame, by SYSRET or a jump
	LeaveFrame = 1 // by IRET, vector state reset
)

// Values for the assembly, by their names in go_asm.h.
const (
	offSelf     = percpu.SelfOffset
	offStackTop = unsafe.Offsetof(percpu.CPU{}.StackTop)
	offStackLow = unsafe.Offsetof(percpu.CPU{}.StackLow)
	offKernelG  = unsafe.Offsetof(percpu.CPU{}.KernelG)
	offKernelFS = unsafe.Offsetof(percpu.CPU{}.KernelFS)
	offUserFS   = unsafe.Offsetof(percpu.CPU{}.UserFS)
	offScratch  = unsafe.Offsetof(percpu.CPU{}.Scratch)
	offPanicTop = unsafe.Offsetof(percpu.CPU{}.PanicTop)
	offCurrent  = unsafe.Offsetof(percpu.CPU{}.Current)
	offResched  = unsafe.Offsetof(percpu.CPU{}.Resched) // and Retick, with 8 bytes

	frameIP     = unsafe.Offsetof(cpu.Frame{}.IP)
	frameCS     = unsafe.Offsetof(cpu.Frame{}.CS)
	frameFlags  = unsafe.Offsetof(cpu.Frame{}.Flags)
	frameSP     = unsafe.Offsetof(cpu.Frame{}.SP)
	frameBP     = unsafe.Offsetof(cpu.Frame{}.BP)
	frameR15    = unsafe.Offsetof(cpu.Frame{}.R15)
	frameR14    = unsafe.Offsetof(cpu.Frame{}.R14)
	frameR13    = unsafe.Offsetof(cpu.Frame{}.R13)
	frameR12    = unsafe.Offsetof(cpu.Frame{}.R12)
	frameR11    = unsafe.Offsetof(cpu.Frame{}.R11)
	frameR10    = unsafe.Offsetof(cpu.Frame{}.R10)
	frameR9     = unsafe.Offsetof(cpu.Frame{}.R9)
	frameR8     = unsafe.Offsetof(cpu.Frame{}.R8)
	frameDI     = unsafe.Offsetof(cpu.Frame{}.DI)
	frameSI     = unsafe.Offsetof(cpu.Frame{}.SI)
	frameDX     = unsafe.Offsetof(cpu.Frame{}.DX)
	frameCX     = unsafe.Offsetof(cpu.Frame{}.CX)
	frameBX     = unsafe.Offsetof(cpu.Frame{}.BX)
	frameAX     = unsafe.Offsetof(cpu.Frame{}.AX)
	frameError  = unsafe.Offsetof(cpu.Frame{}.Error)
	frameVector = unsafe.Offsetof(cpu.Frame{}.Vector)
	frameSize   = cpu.FrameSize
	frameWords  = cpu.FrameSize / 8

	// Where the words of an interrupt lie on the IST stack once AX and BX are pushed.
	istAX     = 8
	istVector = 16
	istError  = 24
	istIP     = 32
	istCS     = 40
	istFlags  = 48
	istSP     = 56
	istSS     = 64

	userSS   = cpu.UserSS
	userCS   = cpu.UserCS
	kernelSS = cpu.KernelSS
	kernelCS = cpu.KernelCS
	flagsOn  = cpu.FlagFixed | cpu.FlagInterrupt

	vecSyscall   = vector.Syscall
	callSlots    = CallSlots
	firstPrivate = abi.First
	privateSlots = 128

	// WorkOffset is where a thread has the word that says what is to be done before it leaves the core.
	WorkOffset = StateBytes

	// CallSlots is the number of system calls that the entry finds a handler for by itself.
	CallSlots = 512

	// NoMemory is Linux's number of ENOMEM. A call with this result may be made again.
	NoMemory = 12

	// flagsByIRET are flags with which a system call of ring 3 returns by IRET.
	flagsByIRET = cpu.FlagTrap | cpu.FlagResume

	// keptBytes lie below the Frame of a system call of ring 3, and below them spill bytes, which a function in
	// Go may use for its arguments; see kept.
	keptBytes = 16 * uintptr(len(kept))
	spill     = 64

	// A ring-0 caller's stack lies in the Go area: one shift and one compare.
	goShift  = 39
	goPrefix = layout.GoBase >> goShift

	// minStack is the least free space on a kernel stack for a nested trap.
	minStack = 2048

	// fsInG is where the FS base lies in a fake g.
	fsInG = fakeg.OffFSBase

	// ISTSize is size and alignment of the stacks of paranoid vectors. ISTReserved
	// is the space for a fake g and the address of the CPU's block above the stack.
	ISTSize     = 8 << 10
	ISTReserved = (unsafe.Sizeof(fakeg.G{}) + 8 + 15) &^ 15
)

// The functions that the stubs call. They are values, so that the assembly enters
// them with the register convention.
var (
	syscallFn     = onSyscall                                         //cpucheck:switches the stub that calls it finds the block by GS afterwards
	answerFn      func(c *percpu.CPU, f *cpu.Frame, r uint64) uintptr //cpucheck:switches as syscallFn
	insideFn      = onInside
	outsideFn     = onOutside //cpucheck:switches the stub that calls it finds the block by GS afterwards
	paranoidFn    = onParanoid
	lostFn        = onLost
	threadStartFn = onThreadStart //cpucheck:switches the stub that calls it finds the block by GS afterwards
)

// Addresses of assembly, filled in by the linker.
var syscallPC, stubsPC, threadStartPC, restorePC uintptr

// The entry finds the handler of a call in this table, by the call's number. Numbers from callLimit on go to syscallFn.
var (
	callTable [CallSlots]uintptr // a func value each
	callLimit uint32
)

// The same for the private calls, from abi.First on.
var (
	privateTable [privateSlots]uintptr
	privateLimit uint32
)

var _ [privateSlots - abi.Count]byte

// SetPrivate sets the func value of the handler of private call n, counted from the first.
//
// Context: boot CPU, before the runtime starts.
func SetPrivate(n int, handler uintptr) { privateTable[n] = handler }

// otherCallFn is a func value that stands in callTable for syscallFn.
var otherCallFn uintptr

// SetSyscall sets the handlers of system calls. at returns the func value of the handler of a call, which returns the CPU and
// a result, or 0. Calls without one go to call, results that need more than to be returned to answer. Debug builds measure
// in onSyscall, so there all calls go to call.
//
// Context: boot CPU, before the first system call.
func SetSyscall(call func(c *percpu.CPU, f *cpu.Frame) uintptr, answer func(c *percpu.CPU, f *cpu.Frame, r uint64) uintptr, at func(n int) uintptr) {
	upcall.To.Syscall = call
	answerFn = answer
	if !lock.Checked {
		syscallFn = call
	}
	for n := range callTable {
		callTable[n] = at(n)
		if callTable[n] == 0 {
			callTable[n] = otherCallFn
		}
	}
	RecordCalls(trace.Records(trace.Syscall))
}

// RecordCalls makes system calls go the way on which they are recorded, or not any more.
func RecordCalls(on bool) {
	if on || lock.Checked {
		callLimit, privateLimit = 0, 0
		return
	}
	for n := range privateTable {
		if privateTable[n] == 0 {
			privateTable[n] = otherCallFn
		}
	}
	callLimit, privateLimit = CallSlots, privateSlots
}

// ThreadStartPC is where the first switch to a thread returns to; its stack pointer
// is then the address of the thread's Frame.
func ThreadStartPC() uintptr { return threadStartPC }

var (
	clearBuffers bool                 // VERW before ring 3
	special      uint32 = flagsByIRET // flags with which a system call of ring 3 takes the slow way out; one that is always set, if buffers are to be cleared
	dataSelector uint16 = userSS      // VERW must read it from memory: the form with a register does not clear
	lostG        fakeg.G
)

// onSyscall is entered by SYSCALL, from a thread outside the core, in debug builds.
// In other builds the handler of SetSyscall is entered instead.
//
//cpucheck:switches the stub that calls it finds the block by GS afterwards
func onSyscall(c *percpu.CPU, f *cpu.Frame) uintptr {
	Enter(c, f)
	how := upcall.To.Syscall(c, f)
	if lock.Checked {
		Left(percpu.This())
	}
	return how
}

// onOutside handles traps of a thread outside the core: ring 3, or the kernel's own Go
// code. xsave is the saved vector state.
//
//cpucheck:switches the stub that calls it finds the block by GS afterwards
func onOutside(c *percpu.CPU, f *cpu.Frame, xsave uintptr) (how uintptr) {
	Enter(c, f)
	count(c, f.Vector)
	exception := f.Vector < vector.Exceptions
	if exception {
		if f.Vector != vector.PageFault { // that one is recorded with its address
			trace.Add(c, trace.Exception, f.Vector, f.IP)
		}
	} else {
		trace.Add(c, trace.Interrupt, f.Vector, f.IP)
		vector.Deliver(c, f)
	}
	if f.Foreign() {
		refuseSelectors(f)
		exception = true
	}
	if exception {
		how = upcall.To.Exception(c, f, xsave)
	} else {
		how = upcall.To.Leave(c, f, xsave)
	}
	if lock.Checked {
		Left(percpu.This())
	}
	return how
}

// refuseSelectors makes a frame that is Foreign the frame of the #GP that a CPU raises at
// the load of such a selector, and gives the program its own CS and SS: no way to ring 3
// loads others. So the program gets SIGSEGV, and ends if it has no handler.
func refuseSelectors(f *cpu.Frame) {
	if f.Vector == vector.Debug {
		cpu.WriteDR6(cpu.DR6Clear) // the single step is not reported
	}
	bad := uint16(f.CS)
	if bad == cpu.UserCS {
		bad = uint16(f.SS)
	}
	f.Vector, f.Error = vector.Protection, uint64(bad&^3)
	f.CS, f.SS = cpu.UserCS, cpu.UserSS
}

// onInside handles traps of the core itself: page faults of functions that touch
// user memory, registers that the CPU does not have, interrupts while it waits, and bugs.
//
// Nosplit: the stub has found minStack bytes free; without the check it is shorter.
//
//go:nosplit
func onInside(c *percpu.CPU, f *cpu.Frame) {
	if f.Vector < vector.Exceptions {
		onCoreException(c, f)
		return
	}
	if lock.Checked {
		onCheckedInterrupt(c, f)
		return
	}
	entered(c, f)
	vector.Deliver(c, f)
	c.Depth--
}

// entered counts an interrupt of the core, and records it.
//
// Nosplit: as onInside.
//
//go:nosplit
func entered(c *percpu.CPU, f *cpu.Frame) {
	count(c, f.Vector)
	c.WokenBy = uint8(f.Vector)
	c.Depth++
	trace.Add(c, trace.Interrupt, f.Vector, f.IP)
}

// onCheckedInterrupt is the rest of onInside for an interrupt, in debug builds.
func onCheckedInterrupt(c *percpu.CPU, f *cpu.Frame) {
	at := c.EnteredAt
	Enter(c, f)
	entered(c, f)
	vector.Deliver(c, f)
	c.Depth--
	Left(c) // the window that the interrupt came in begins the next stretch
	c.EnteredAt = at
}

// onCoreException handles an exception of the core.
func onCoreException(c *percpu.CPU, f *cpu.Frame) {
	count(c, f.Vector)
	switch {
	case f.Vector == vector.PageFault:
		onCoreFault(c, f, cpu.ReadCR2())
	case f.Vector == vector.Protection && f.IP == uint64(restorePC):
		f.BX = uint64(initialState) // run it again
	case f.Vector == vector.Protection && cpu.SkipMSR(f):
	default:
		upcall.To.Panic(c, f, "exception in the core; vector, error", f.Vector, f.Error)
	}
}

// onCoreFault resolves a page fault of the core, or panics.
func onCoreFault(c *percpu.CPU, f *cpu.Frame, addr uintptr) {
	trace.Add(c, trace.Fault, uint64(addr), trace.FaultAt(f.IP, f.Error))
	if upcall.To.CoreFault(c, f, addr) {
		return
	}
	if lastResort != nil && lastResort(c, f, addr) {
		return
	}
	upcall.To.Panic(c, f, "page fault in the core; address, error", uint64(addr), f.Error)
}

var lastResort func(c *percpu.CPU, f *cpu.Frame, addr uintptr) bool

// HandleUnresolved installs a function that is called for a page fault of the core
// that could not be resolved, before the fault becomes a panic. It is for a test
// that provokes faults. The function reports whether the test provoked this one.
//
// Context: while only the boot CPU is online.
func HandleUnresolved(h func(c *percpu.CPU, f *cpu.Frame, addr uintptr) bool) { lastResort = h }

// onParanoid handles NMI, double fault, machine check, and #DB in ring 0.
func onParanoid(c *percpu.CPU, f *cpu.Frame) {
	count(c, f.Vector)
	if f.Foreign() { // IRET would fault on them in ring 0
		f.CS, f.SS = cpu.UserCS, cpu.UserSS
	}
	switch f.Vector {
	case vector.NMI:
		crash.NMI(c, f)
	case vector.Machine:
		crash.MachineCheck(c, f)
	case vector.Debug:
		f.Flags &^= cpu.FlagTrap
		cpu.WriteDR6(cpu.DR6Clear)
	default:
		upcall.To.Panic(c, f, "exception; vector, error", f.Vector, f.Error)
	}
}

// onLost reports a full kernel stack or a system call of the core.
func onLost(c *percpu.CPU, f *cpu.Frame) {
	if f.Vector == vector.Syscall {
		upcall.To.Panic(c, f, "SYSCALL on a core stack; number, first argument", f.AX, f.DI)
	}
	upcall.To.Panic(c, f, "kernel stack overflow; stack pointer, lowest address", f.SP, uint64(c.StackLow))
}

// onThreadStart makes a new thread enter what it is to run first.
//
//cpucheck:switches the stub that calls it finds the block by GS afterwards
func onThreadStart(c *percpu.CPU, f *cpu.Frame) uintptr {
	how := upcall.To.ThreadStart(c, f)
	if lock.Checked {
		Left(percpu.This())
	}
	return how
}

func count(c *percpu.CPU, vector uint64) {
	if c.Counts != 0 {
		(*[256]uint64)(unsafe.Pointer(c.Counts))[vector&255]++
	}
}
