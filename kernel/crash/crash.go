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
	"muster/kernel/clock"
	"muster/kernel/console"
	"muster/kernel/cpu"
	"muster/kernel/fakeg"
	"muster/kernel/ipi"
	"muster/kernel/layout"
	"muster/kernel/lock"
	"muster/kernel/percpu"
	"muster/kernel/symtab"
	"muster/kernel/trace"
	"muster/kernel/upcall"
	"muster/kernel/vector"
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

// culprit adds a second line for causes that appear as something else: core code
// that called a forbidden part of the runtime, or ran out of stack.
func culprit(l *console.Line) bool {
	f := cause.f
	if f == nil {
		return false
	}
	*l = console.Line{}
	if low := uint64(cause.stackLow); f.Vector == vector.PageFault && cause.a < low && cause.a >= low-layout.PageSize {
		symbolLine(l.Str("cause: the page below the kernel stack of this thread was touched, a stack overflow, in "), f.IP)
		return true
	}
	if f.Vector == vector.PageFault {
		if name, id := upcall.To.StackBelow(uintptr(cause.a)); name != "" {
			symbolLine(l.Str("cause: the page below the ").Str(name).Str(" stack of cpu").Dec(uint64(id)).Str(" was touched, a stack overflow, in "), f.IP)
			return true
		}
	}
	if f.Vector == vector.PageFault && cause.a < 4096 {
		symbolLine(l.Str("cause: nil dereference in "), f.IP)
		return true
	}
	if g := uintptr(f.DI); f.Vector == vector.PageFault && inPoison(cause.a) && within(f.IP, "runtime.morestack") && readable(g) {
		// morestack keeps the g in DI and has stored its caller's address there.
		pc, sp, bp := fakeg.Overflow(g)
		symbolLine(l.Str("cause: kernel stack too small for the next call, sp ").Hex(sp).Str(", in "), pc)
		f.IP, f.BP = pc, bp // the walk continues there
		return true
	}
	// The runtime's outermost function is the most precise: panicBounds, not throw.
	why := ""
	ip, bp := f.IP, f.BP
	for range 24 {
		s, ok := symbols.Lookup(ip - 1)
		if !ok || why != "" && !hasPrefix(s.Func, "runtime.") {
			break
		}
		if w := runtimePanic(s.Func); w != "" {
			why = w
		}
		if ip, bp, ok = next(bp); !ok {
			break
		}
	}
	if why == "" {
		return false
	}
	symbolLine(l.Str("cause: ").Str(why).Str(" in "), ip-1)
	return true
}

func inPoison(addr uint64) bool { return addr >= layout.Poison && addr < layout.PoisonEnd }

// runtimePanic returns what it means that a function of the runtime runs in the
// core.
func runtimePanic(name string) string {
	switch name {
	case "runtime.panicBounds", "runtime.panicBounds64", "runtime.goPanicIndex":
		return "bounds check failed"
	case "runtime.panicdivide":
		return "division by zero"
	case "runtime.panicoverflow":
		return "integer overflow"
	case "runtime.panicshift":
		return "negative shift"
	case "runtime.panicmem", "runtime.panicmemAddr":
		return "nil dereference"
	case "runtime.throw", "runtime.fatal", "runtime.fatalthrow":
		return "runtime.throw"
	case "runtime.gopanic":
		return "panic"
	case "runtime.mallocgc", "runtime.newobject", "runtime.makeslice", "runtime.growslice":
		return "heap allocation"
	case "runtime.gcWriteBarrier2", "runtime.gcWriteBarrier1", "runtime.wbBufFlush":
		return "write barrier"
	}
	return ""
}

func within(ip uint64, name string) bool {
	s, ok := symbols.Lookup(ip)
	return ok && s.Func == name
}

func hasPrefix(s, p string) bool { return len(s) >= len(p) && s[:len(p)] == p }

// heldLocks prints the ranks of the locks that a CPU holds, in debug builds.
func heldLocks(c *percpu.CPU) {
	if !lock.Checked || c.LockDepth == 0 {
		return
	}
	var l console.Line
	l.Str("locks held, by rank:")
	for i := range min(int(c.LockDepth), len(c.LockRanks)) {
		l.Byte(' ').Dec(uint64(c.LockRanks[i]))
	}
	say(&l)
}

func say(l *console.Line) { console.Emergency(l.Byte('\n').Bytes()) }

func printFrame(f *cpu.Frame) {
	reg := func(l *console.Line, name string, v uint64) { l.Str(name).Hex16(v) }
	var l console.Line
	l.Str("vector ").Dec(f.Vector).Str(" error ").Hex(f.Error).Str(" cr2 ").Hex(uint64(cpu.ReadCR2())).
		Str(" cr3 ").Hex(cpu.ReadCR3()).Str(" flags ").Hex(f.Flags).Str(" cs ").Hex(f.CS).Str(" ss ").Hex(f.SS)
	say(&l)
	for row := range 4 {
		l = console.Line{}
		switch row {
		case 0:
			reg(&l, " ip ", f.IP)
			reg(&l, "  sp ", f.SP)
			reg(&l, "  bp ", f.BP)
			reg(&l, "  ax ", f.AX)
		case 1:
			reg(&l, " bx ", f.BX)
			reg(&l, "  cx ", f.CX)
			reg(&l, "  dx ", f.DX)
			reg(&l, "  si ", f.SI)
		case 2:
			reg(&l, " di ", f.DI)
			reg(&l, "  r8 ", f.R8)
			reg(&l, "  r9 ", f.R9)
			reg(&l, " r10 ", f.R10)
		case 3:
			reg(&l, "r11 ", f.R11)
			reg(&l, " r12 ", f.R12)
			reg(&l, " r13 ", f.R13)
			reg(&l, " r14 ", f.R14)
		}
		say(&l)
	}
}

// symbolLine appends "function+0x1f file:line" of an address.
func symbolLine(l *console.Line, pc uint64) {
	s, ok := symbols.Lookup(pc)
	if !ok {
		l.Hex(pc)
		return
	}
	l.Str(s.Func).Byte('+').Hex(pc - s.Entry).Byte(' ').Str(s.File).Byte(':').Dec(uint64(max(s.Line, 0)))
}

// readable reports whether the 8 bytes at an address can be read without a fault.
func readable(addr uintptr) bool { return upcall.To.Readable(addr) }

// next follows a frame pointer: it returns the return address and the caller's
// frame pointer.
func next(bp uint64) (ip, callerBP uint64, ok bool) {
	a := uintptr(bp)
	if bp < 1<<63 || !readable(a) || !readable(a+8) {
		return 0, 0, false
	}
	ip = *(*uint64)(unsafe.Pointer(a + 8))
	return ip, *(*uint64)(unsafe.Pointer(a)), ip != 0
}

// printFrom prints the stack from a trap frame on. A function that has not set up
// its frame pointer yet, or never does, would hide its caller: the caller's return
// address is then the top word of the stack.
func printFrom(f *cpu.Frame) {
	var l console.Line
	symbolLine(l.Str("  ").Hex16(f.IP).Byte(' '), f.IP)
	say(&l)
	if d, ok := symbols.Depth(f.IP); ok && d == 0 && readable(uintptr(f.SP)) {
		printStack(*(*uint64)(unsafe.Pointer(uintptr(f.SP))), f.BP)
		return
	}
	if ip, bp, ok := next(f.BP); ok {
		printStack(ip, bp)
	}
}

// printStack prints the functions that return addresses lie in, from ip on by the
// frame pointers.
func printStack(ip, bp uint64) {
	for range 32 {
		var l console.Line
		symbolLine(l.Str("  ").Hex16(ip).Byte(' '), ip-1)
		say(&l)
		var ok bool
		if ip, bp, ok = next(bp); !ok {
			return
		}
	}
}

// printOther prints where another CPU was stopped.
func printOther(o *percpu.CPU) {
	if o.State.Load() < percpu.Ready {
		return
	}
	var l console.Line
	l.Str("cpu").Dec(uint64(o.ID)).Str(", thread ").Dec(uint64(o.ThreadID))
	at := o.StopFrame.Load()
	if at == 0 {
		say(l.Str(": did not stop within 200 ms"))
		return
	}
	if at == stoppedAnyhow {
		say(l.Str(": stopped by itself"))
		return
	}
	f := (*cpu.Frame)(unsafe.Pointer(at))
	say(l.Str(", stopped at"))
	if f.User() {
		l = console.Line{}
		say(l.Str("  ring 3, ip ").Hex(f.IP))
		return
	}
	printFrom(f)
}

// traceShown is how many records of each CPU a report has.
const traceShown = 16

func printTrace(c *percpu.CPU) {
	next := trace.Next(c)
	if c.Trace == 0 || next == 0 {
		return
	}
	var r trace.Record
	var l console.Line
	say(l.Str("last events of cpu").Dec(uint64(c.ID)).Str(", newest first: time in us, event, thread, values"))
	for back := uint64(1); back <= min(next, traceShown); back++ {
		if trace.Read(c, next-back, &r) != trace.Complete {
			continue // the CPU was stopped while it wrote this one
		}
		l = console.Line{}
		l.Str("  ").DecPad(uint64(clock.At(r.TSC)/clock.Microsecond), 12).Byte(' ').Str(r.Kind.String())
		say(l.Str(" t").Dec(uint64(r.Thread)).Byte(' ').Hex(r.A).Byte(' ').Hex(r.B))
	}
}
