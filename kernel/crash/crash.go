// Package crash stops all CPUs when the kernel cannot go on, and prints why: the
// cause, registers, each CPU's stack with names and lines, the last events.
//
// Layer: core.
// Context: anywhere, with any lock held, on a damaged stack, in an NMI.
// Locks: none are taken. One CPU becomes the reporter by compare-and-swap; the
// others are stopped by NMI. All waits are bounded, all output is polled.
// Manual: Intel SDM vol. 3A, "Nonmaskable Interrupt (NMI)".
// Chapter: docs/02-black-box.md.
package crash

import (
	"unsafe"

	"muster/kernel/atom"
	"muster/kernel/console"
	"muster/kernel/cpu"
	"muster/kernel/fakeg"
	"muster/kernel/ipi"
	"muster/kernel/layout"
	_ "muster/kernel/oldcpu" // the assembly calls it
	"muster/kernel/percpu"
	"muster/kernel/symtab"
	"muster/kernel/upcall"
)

var (
	reporter atom.Uint32 // CPU number + 1 of the CPU that reports
	symbols  symtab.Table
	reportG  fakeg.G
)

// cause has the arguments of Panic; the reporter alone uses it.
var cause struct {
	c        *percpu.CPU
	f        *cpu.Frame
	msg      string
	a, b     uint64
	ip, bp   uint64
	stackLow uintptr // of the thread that ran

	reason  console.Line // in words, if derived is set
	derived bool         // msg is a consequence of the reason
	pc      uint64       // an address within the instruction that is to blame

	culpritIP, culpritBP uint64 // where the walk meets the culprit, if the runtime lies in between
}

// Init finds the symbols of the running kernel, and makes this package handle the
// stop IPI.
//
// Context: boot CPU, before anything that can panic.
func Init() {
	ipi.Handle(ipi.Stop, onStop)
	s := layout.Image()
	symbols.Init(s.PclntabStart, s.PclntabEnd, s.TextStart)
}

// Extent returns the addresses of the first byte of the kernel's function that contains
// pc, and of the next function. ok is false for an address in no function.
func Extent(pc uintptr) (start, end uintptr, ok bool) {
	s, e, ok := symbols.Extent(uint64(pc))
	return uintptr(s), uintptr(e), ok
}

// callerFrame returns the frame pointer of the function that calls it.
func callerFrame() uintptr

// onStack goes on at fn, a func value without arguments, with SP top, FS fs and
// R14 fakeg. It does not return.
func onStack(fn, top, fs, fakeg uintptr)

var reportFn = report

// Panic reports and ends the machine; it does not return.
//
// Context: any. f is the trap frame, or nil.
func Panic(c *percpu.CPU, f *cpu.Frame, msg string, a, b uint64) {
	cpu.DisableInterrupts()
	if !reporter.CompareAndSwap(0, c.ID+1) {
		if reporter.Load() != c.ID+1 {
			halt(c, f) // another CPU reports, and this CPU's state too
		}
		again(c, f, msg, a, b)
	}
	cause.c, cause.f, cause.msg, cause.a, cause.b = c, f, msg, a, b
	cause.stackLow = c.StackLow
	bp := callerFrame()
	cause.ip, cause.bp = *(*uint64)(unsafe.Pointer(bp + 8)), *(*uint64)(unsafe.Pointer(bp))
	if c.PanicTop == 0 {
		report() // no stack for the report exists yet
	}
	c.StackLow, c.StackTop = c.PanicTop-PanicStack, c.PanicTop
	reportG.SetStack(c.StackLow, c.StackTop)
	c.KernelG, c.KernelFS = reportG.Addr(), reportG.FSBase()
	begin(c)
}

// begin goes on with the report on the CPU's panic stack. It does not return.
func begin(c *percpu.CPU) {
	onStack(uintptr(unsafe.Pointer(&reportFn)), c.PanicTop, reportG.FSBase(), reportG.Addr())
}

// again takes note of a panic of the reporter itself: a part of the report has failed. The
// report goes on with the next part, from the top of the panic stack.
func again(c *percpu.CPU, f *cpu.Frame, msg string, a, b uint64) {
	console.Emergency([]byte("\nmuster: panic within the panic: "))
	var l console.Line
	l.Str(msg).Byte(' ').Hex(a).Byte(' ').Hex(b)
	if f != nil {
		l.Str(", ip ").Hex(f.IP)
	}
	say(&l)
	if c.PanicTop == 0 || part >= len(parts) {
		End(StatusPanic)
	}
	begin(c)
}

// PanicStack is the size of the stack that a report runs on.
const PanicStack = 16 << 10

// The report in parts: what tells most comes first, so that it is on a screen of 25 lines.
// A part that panics loses what it would have said, and the next one follows.
var (
	part  int // the next one
	parts = [...]func(){findReason, printReason, stopOthers, printMachine, printCode, printOwnStack, printBriefly,
		printRegisters, heldLocks, printLog, showFirstCode, printStacks, printTraces, leave, showCodes}
)

// report prints everything. It runs on the panic stack.
func report() {
	for part < len(parts) {
		p := parts[part]
		part++
		p()
	}
	cpu.Stop()
}

// leave ends an emulator.
func leave() { endEmulator(StatusPanic) }

// printReason prints the reason in words, the function that is to blame, what the core has
// noticed, and where the book explains such a panic.
func printReason() {
	c := cause.c
	console.EmergencyFlush()
	var l console.Line
	l.Str("\nmuster: PANIC on cpu").Dec(uint64(c.ID)).Str(", thread ").Dec(uint64(c.ThreadID)).
		Str(" (")
	addName(&l, c).Str("): ")
	if cause.derived {
		say(l.Str(stringOf(cause.reason.Bytes())))
	} else {
		say(arguments(&l))
	}
	l = console.Line{}
	place(l.Str("in "), blamed())
	say(&l)
	if cause.derived {
		l = console.Line{}
		say(arguments(l.Str("noticed as: ")))
	}
	file, title := explanation()
	l = console.Line{}
	say(l.Str("see ").Str(file).Str(", \"").Str(title).Byte('"'))
}

// arguments appends the arguments of Panic.
func arguments(l *console.Line) *console.Line {
	return l.Str(cause.msg).Byte(' ').Hex(cause.a).Byte(' ').Hex(cause.b)
}

// blamed returns cause.pc, or the first caller that is not part of the way to Panic.
func blamed() uint64 {
	pc, bp := cause.pc, cause.bp
	for range 4 {
		s, ok := symbols.Lookup(pc)
		if !ok || !hasPrefix(s.Func, "muster/kernel/upcall.") {
			break
		}
		ip, caller, ok := next(bp)
		if !ok {
			break
		}
		pc, bp = ip-1, caller
	}
	return pc
}

// stringOf returns b as a string, without a copy.
func stringOf(b []byte) string {
	if len(b) == 0 {
		return ""
	}
	return unsafe.String(&b[0], len(b))
}

func stopOthers() { stopByNMI(cause.c) }

// addName adds the name of the thread that a CPU ran. A program may have chosen it, so what is not
// an ASCII letter or sign is replaced: it could clear the screen.
func addName(l *console.Line, c *percpu.CPU) *console.Line {
	if c.Current == 0 {
		return l.Str("none")
	}
	for _, b := range upcall.To.ThreadName(c.Current) {
		if b == 0 {
			break
		}
		if b < ' ' || b > '~' {
			b = '?'
		}
		l.Byte(b)
	}
	return l
}
