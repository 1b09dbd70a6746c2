package crash

import (
	"unsafe"

	"muster/kernel/clock"
	"muster/kernel/console"
	"muster/kernel/cpu"
	"muster/kernel/lock"
	"muster/kernel/percpu"
	"muster/kernel/trace"
	"muster/kernel/upcall"
)

// The parts of a report, a line at a time.

// heldLocks prints the ranks of the locks that the CPU holds, in debug builds.
func heldLocks() {
	c := cause.c
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
			reg(&l, "  r15 ", f.R15)
		}
		say(&l)
	}
}

// printRegisters prints the frame of the panic, if there is one.
func printRegisters() {
	if cause.f != nil {
		printFrame(cause.f)
	}
}

// ownShown is how many functions of the stack of the panic a screen gets.
const ownShown = 6

// printOwnStack prints the innermost functions of the stack of the panic. Functions of the
// runtime that only report are left out.
func printOwnStack() {
	shown = ownShown
	if cause.culpritIP != 0 {
		printStack(cause.culpritIP, cause.culpritBP)
	} else {
		printWholeStack()
	}
	shown = maxShown
}

// printWholeStack prints the stack of the panic: the core's functions, then those of the
// goroutine that has entered it.
func printWholeStack() {
	if cause.f != nil {
		printFrom(cause.f)
	} else {
		printStack(cause.ip, cause.bp)
	}
}

// printBriefly prints two lines for each other CPU: what it ran, and where it stopped.
func printBriefly() {
	for i := range percpu.Count() {
		if o := percpu.Get(i); o != cause.c {
			if f := printState(o); f != nil {
				printTop(f)
			}
		}
	}
}

// printStacks prints the stacks of all CPUs, on the serial port alone.
func printStacks() {
	console.EmergencySerial()
	var l console.Line
	say(l.Str("cpu").Dec(uint64(cause.c.ID)).Str(", its whole stack"))
	printWholeStack()
	for i := range percpu.Count() {
		if o := percpu.Get(i); o != cause.c {
			if f := printState(o); f != nil && f.User() {
				printTop(f)
			} else if f != nil {
				printFrom(f)
			}
		}
	}
}

// printTraces prints the last events of all CPUs, on the serial port alone.
func printTraces() {
	console.EmergencySerial()
	for i := range percpu.Count() {
		printTrace(percpu.Get(i))
	}
}

// logShown is how many lines of the log a report has.
const logShown = 8

// printLog prints the last lines of the log.
func printLog() { console.EmergencyLog(logShown) }

// place appends "function+0x1f file:line" of an address, without the module's name before
// the file, so that most fit a screen.
func place(l *console.Line, pc uint64) {
	s, ok := symbols.Lookup(pc)
	if !ok {
		l.Hex(pc)
		return
	}
	file := s.File
	if hasPrefix(file, "muster/") {
		file = file[len("muster/"):]
	}
	l.Str(s.Func).Byte('+').Hex(pc - s.Entry).Byte(' ').Str(file).Byte(':').Dec(uint64(max(s.Line, 0)))
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
	if _, _, ok := symbols.Extent(f.IP); ok { // else it was a jump to data
		printTop(f)
	}
	if d, ok := symbols.Depth(f.IP); ok && d == 0 && readable(uintptr(f.SP)) {
		printStack(*(*uint64)(unsafe.Pointer(uintptr(f.SP))), f.BP)
		return
	}
	if ip, bp, ok := next(f.BP); ok {
		printStack(ip, bp)
	}
}

// shown bounds the functions that printStack prints.
var shown = maxShown

const maxShown = 32

// printStack prints the functions that return addresses lie in, from ip on by the
// frame pointers.
func printStack(ip, bp uint64) {
	for range shown {
		var l console.Line
		place(l.Str("  "), ip-1)
		say(&l)
		if s, ok := symbols.Lookup(ip - 1); ok && entry(s.Func) {
			l = console.Line{}
			say(l.Str(" from outside the core:"))
		}
		var ok bool
		if ip, bp, ok = next(bp); !ok {
			return
		}
	}
}

// entry reports whether a function is one of the ways into the core.
func entry(name string) bool {
	return name == "muster/kernel/trap.common" || name == "muster/kernel/trap.syscallEntry"
}

// printTop prints where a frame was taken.
func printTop(f *cpu.Frame) {
	var l console.Line
	l.Str("  ")
	if f.User() {
		l.Str("ring 3, ip ").Hex(f.IP)
	} else {
		place(&l, f.IP)
	}
	say(&l)
}

// printState prints what another CPU ran, and returns its frame, nil if there is none.
func printState(o *percpu.CPU) *cpu.Frame {
	if o.State.Load() < percpu.Ready {
		return nil
	}
	var l console.Line
	l.Str("cpu").Dec(uint64(o.ID)).Str(", thread ").Dec(uint64(o.ThreadID)).Str(" (")
	addName(&l, o)
	switch at := o.StopFrame.Load(); at {
	case 0:
		say(l.Str("): did not stop within 200 ms"))
		return nil
	case stoppedAnyhow:
		say(l.Str("): stopped by itself"))
		return nil
	default:
		say(l.Str("), stopped at"))
		return (*cpu.Frame)(unsafe.Pointer(at))
	}
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
