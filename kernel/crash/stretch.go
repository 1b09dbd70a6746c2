package crash

import (
	"unsafe"

	"muster/kernel/console"
	"muster/kernel/cpu"
	"muster/kernel/percpu"
	"muster/kernel/vector"
)

// The report of a stretch with interrupts off that is too long.

// Callers is the innermost return addresses of a stack, innermost first.
type Callers [8]uint64

// CallersOf returns the return addresses from its caller on, up to the entry to the core.
// Beyond that, the frame pointer is what the interrupted code had in BP, which may be
// anything. It is for debug builds.
//
// Context: on the thread's kernel stack.
func CallersOf(c *percpu.CPU) (a Callers) {
	bp := callerFrame()
	for i := range a {
		if bp < c.StackLow || bp > c.StackTop-16 {
			break
		}
		a[i] = *(*uint64)(unsafe.Pointer(bp + 8))
		bp = *(*uintptr)(unsafe.Pointer(bp))
	}
	return a
}

// Stretch reports a stretch of ns nanoseconds that began at from and ended at to, and
// ends the machine. at is the last entry: vector<<32 | system call.
func Stretch(c *percpu.CPU, ns, at uint64, from, to Callers) {
	cpu.DisableInterrupts()
	if !reporter.CompareAndSwap(0, c.ID+1) {
		Panic(c, nil, "stretch: longer than stretch= allows; ns, entry", ns, at) // another CPU reports: its line stays whole
	}
	console.EmergencyFlush()
	var l console.Line
	l.Str("\nmuster: interrupts were off for ").Dec(ns).Str(" ns, from ")
	AppendStretch(&l, at, from, to)
	say(&l)
	reporter.Store(0)
	Panic(c, nil, "stretch: longer than stretch= allows; ns, entry", ns, at)
}

// AppendStretch appends "where it began to where it ended" to l, by the names of the
// functions that opened the windows. Zeros stand for the entry at, and for the exit.
func AppendStretch(l *console.Line, at uint64, from, to Callers) {
	if from[0] == 0 {
		appendEntry(l, at)
	} else {
		appendCaller(l, &from)
	}
	l.Str(" to ")
	if to[0] == 0 {
		l.Str("the exit")
	} else {
		appendCaller(l, &to)
	}
	if from[0] != 0 {
		l.Str(", in ")
		appendEntry(l, at)
	}
}

func appendEntry(l *console.Line, at uint64) {
	if at>>32 == vector.Syscall {
		l.Str("system call ").Dec(at & 0xffffffff)
	} else {
		l.Str("vector ").Dec(at >> 32)
	}
}

// appendCaller appends the innermost function that is not itself one of those that open
// windows.
func appendCaller(l *console.Line, a *Callers) {
	for _, pc := range a {
		s, ok := symbols.Lookup(pc - 1)
		if !ok {
			break
		}
		if !hasPrefix(s.Func, "muster/kernel/trap.") && !hasPrefix(s.Func, "muster/kernel/crash.") && s.Func != "muster/kernel/sched.Breathe" {
			symbolLine(l, pc-1)
			return
		}
	}
	l.Str("a function without a name at ").Hex(a[0])
}
