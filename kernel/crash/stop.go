package crash

import (
	"unsafe"

	"muster/kernel/abi"
	"muster/kernel/apic"
	"muster/kernel/atom"
	"muster/kernel/clock"
	"muster/kernel/console"
	"muster/kernel/cpu"
	"muster/kernel/ipi"
	"muster/kernel/percpu"
	"muster/kernel/upcall"
)

// What an NMI is for: bits of CPU.NMIAsked. Hardware does not say who sent one, and
// an NMI may come from outside, so one that finds no bit is nobody's.
const (
	nmiStop      = 1 << iota // halt for good
	nmiBacktrace             // say where the CPU is, and go on
)

// stoppedAnyhow stands in CPU.StopFrame of a CPU that stopped without a frame to show.
const stoppedAnyhow = 1

var unknown atom.Uint32 // NMIs that nobody asked for

// UnknownNMIs returns how many NMIs came that no CPU had sent.
func UnknownNMIs() uint32 { return unknown.Load() }

// halt stops this CPU for good, and leaves what it was doing for a report.
func halt(c *percpu.CPU, f *cpu.Frame) {
	at := uintptr(unsafe.Pointer(f))
	if f == nil {
		at = stoppedAnyhow
	}
	c.StopFrame.Store(at)
	cpu.Stop()
}

// NMI answers an NMI.
//
// Context: NMI, on its own stack.
func NMI(c *percpu.CPU, f *cpu.Frame) {
	if r := reporter.Load(); r != 0 {
		if r != c.ID+1 {
			halt(c, f)
		}
		return
	}
	asked := c.NMIAsked.Swap(0)
	if asked&nmiStop != 0 {
		halt(c, f)
	}
	if asked&nmiBacktrace != 0 {
		record(c, f)
	}
	if asked == 0 {
		unknown.Add(1)
	}
}

// onStop answers a stop IPI: the CPU halts, with no lock held, since the IPI came in
// where interrupts are on.
//
// Context: the IPI's interrupt.
func onStop(c *percpu.CPU, f *cpu.Frame) { halt(c, f) }

// StopOthers stops all other CPUs for good, for an orderly end, and returns how
// many it stopped and the number of one that it could not, or None. If one of them
// has begun a panic, that goes first.
//
// Every CPU is asked by a message, so that it ends what it does in the core and
// holds no lock. One that does not answer within 100 ms is stopped by NMI.
//
// Context: interrupts off, no lock held.
func StopOthers(c *percpu.CPU, online *percpu.Mask) (stopped uint32, missing uint32) {
	ipi.SendSet(c, online, ipi.Stop)
	if awaitStop(c, 100*clock.Millisecond) != None {
		if !reporter.CompareAndSwap(0, c.ID+1) && reporter.Load() != c.ID+1 {
			cpu.Stop()
		}
		stopByNMI(c)
	}
	for i := range percpu.Count() {
		if o := percpu.Get(i); o != c && o.StopFrame.Load() != 0 {
			stopped++
		}
	}
	return stopped, awaitStop(c, 0)
}

// None is no CPU.
const None = ^uint32(0)

// awaitStop waits until all other CPUs have stopped, and returns the number of one
// that has not when the time is up. It answers TLB flushes meanwhile: who asks for
// one must end before it can stop.
func awaitStop(c *percpu.CPU, limit clock.Time) (missing uint32) {
	for end := clock.After(limit); ; {
		missing = None
		for i := range percpu.Count() {
			if o := percpu.Get(i); running(c, o) {
				missing = i
			}
		}
		if missing == None || end.Passed() {
			return missing
		}
		if reporter.Load() == 0 {
			upcall.To.SpinPoll(c)
		}
		cpu.Pause()
	}
}

// running reports whether another CPU could do something, as far as c knows.
func running(c, o *percpu.CPU) bool {
	return o != c && o.State.Load() >= percpu.Ready && o.StopFrame.Load() == 0
}

// stopByNMI stops the other CPUs wherever they are, within 200 ms: a second NMI is
// for a CPU that missed the first.
//
// Context: any lock may be held, here and there.
func stopByNMI(c *percpu.CPU) {
	for range 2 {
		for i := range percpu.Count() {
			if o := percpu.Get(i); running(c, o) {
				o.NMIAsked.Or(nmiStop)
				apic.SendNMI(c, o)
			}
		}
		if awaitStop(c, 100*clock.Millisecond) == None {
			return
		}
	}
}

// backtrace is the one that is being made; one CPU asks at a time.
var backtrace struct {
	busy  atom.Uint32
	done  atom.Uint32 // 1: trace is written
	want  atom.Uint32 // CPU number + 1 of the CPU that is asked
	trace abi.Backtrace
}

// Backtrace asks a CPU by NMI where it is, and it goes on. ok is false when the CPU
// does not answer within 200 ms, or another backtrace is being made.
//
// Context: interrupts off.
func Backtrace(c, to *percpu.CPU, out *abi.Backtrace) (ok bool) {
	if !backtrace.busy.CompareAndSwap(0, 1) {
		return false
	}
	backtrace.done.Store(0)
	backtrace.want.Store(to.ID + 1)
	to.NMIAsked.Or(nmiBacktrace)
	apic.SendNMI(c, to)
	if !awaitRecord(c) {
		// Who takes the word out has the record: a CPU that comes later writes nothing.
		if backtrace.want.Swap(0) != 0 {
			backtrace.busy.Store(0)
			return false
		}
		if !awaitRecord(c) { // it writes, in an NMI, and does not end: nobody else may use the record
			return false
		}
	}
	*out = backtrace.trace
	backtrace.busy.Store(0)
	return true
}

// awaitRecord waits up to 100 ms for the CPU that was asked, and reports whether it
// has written.
func awaitRecord(c *percpu.CPU) bool {
	for end := clock.After(100 * clock.Millisecond); backtrace.done.Load() == 0; {
		if end.Passed() {
			return false
		}
		upcall.To.SpinPoll(c)
		cpu.Pause()
	}
	return true
}

// record writes where this CPU was when the NMI came.
//
// Context: NMI.
func record(c *percpu.CPU, f *cpu.Frame) {
	if !backtrace.want.CompareAndSwap(c.ID+1, 0) {
		return // too late
	}
	t := &backtrace.trace
	*t = abi.Backtrace{N: 1, PC: [abi.BacktraceDepth]uint64{f.IP}}
	if f.User() {
		t.Ring = 3
	} else {
		ip, bp, ok := next(f.BP)
		if d, known := symbols.Depth(f.IP); known && d == 0 && readable(uintptr(f.SP)) {
			ip, bp, ok = *(*uint64)(unsafe.Pointer(uintptr(f.SP))), f.BP, true
		}
		for ; ok && t.N < abi.BacktraceDepth; ip, bp, ok = next(bp) {
			t.PC[t.N] = ip
			t.N++
		}
	}
	backtrace.done.Store(1)
}

// WarnUnknown logs NMIs that nobody asked for, once for each time there are new ones.
//
// Context: a tick of one CPU.
func WarnUnknown(c *percpu.CPU) {
	if n := unknown.Load(); n != warned {
		warned = n
		var l console.Line
		console.Warn(c, l.Str("nmi: ").Dec(uint64(n)).Str(" so far that no CPU has sent"))
	}
}

var warned uint32
