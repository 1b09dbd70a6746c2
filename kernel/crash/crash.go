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
		console.Emergency([]byte("\nmuster: panic within the panic: "))
		var l console.Line
		console.Emergency(l.Str(msg).Byte(' ').Hex(a).Byte(' ').Hex(b).Byte('\n').Bytes())
		if f != nil {
			printFrame(f)
		}
		End(StatusPanic)
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
	onStack(uintptr(unsafe.Pointer(&reportFn)), c.PanicTop, reportG.FSBase(), reportG.Addr())
}

// PanicStack is the size of the stack that a report runs on.
const PanicStack = 16 << 10

// report prints everything. It runs on the panic stack.
func report() {
	c := cause.c
	console.EmergencyFlush()
	var l console.Line
	say(l.Str("\nmuster: PANIC on cpu").Dec(uint64(c.ID)).Str(", thread ").Dec(uint64(c.ThreadID)).
		Str(" (").Str(threadName(c)).Str("): ").Str(cause.msg).Byte(' ').Hex(cause.a).Byte(' ').Hex(cause.b))
	if culprit(&l) {
		say(&l)
	}
	stopByNMI(c)
	heldLocks(c)
	if cause.f != nil {
		printFrame(cause.f)
		printFrom(cause.f)
	} else {
		printStack(cause.ip, cause.bp)
	}
	for i := range percpu.Count() {
		if o := percpu.Get(i); o != c {
			printOther(o)
		}
	}
	for i := range percpu.Count() {
		printTrace(percpu.Get(i))
	}
	End(StatusPanic)
}

// threadName returns the name of the thread that a CPU ran.
func threadName(c *percpu.CPU) string {
	if c.Current == 0 {
		return "none"
	}
	name := upcall.To.ThreadName(c.Current)
	n := 0
	for n < len(name) && name[n] != 0 {
		n++
	}
	return unsafe.String(&name[0], n)
}
