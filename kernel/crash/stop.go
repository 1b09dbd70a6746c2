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

// The purposes of an NMI: bits of CPU.NMIRequests. Hardware does not report the
// sender, and an NMI may come from outside, so an NMI that finds no bit has no
// owner.
const (
	nmiStop      = 1 << iota // halt without end
	nmiBacktrace             // record where the CPU is, and go on
)

// stoppedAnyhow is the CPU.StopFrame of a CPU that stopped without a frame.
const stoppedAnyhow = 1

var unknown atom.Uint32 // NMIs that no CPU requested

// halt stops this CPU without end, and keeps its state for a report.
func halt(c *percpu.CPU, f *cpu.Frame) {
	at := uintptr(unsafe.Pointer(f))
	if f == nil {
		at = stoppedAnyhow
	}
	c.StopFrame.Store(at)
	cpu.Stop()
}

// NMI handles an NMI.
//
// Context: NMI, on its own stack.
func NMI(c *percpu.CPU, f *cpu.Frame) {
	if r := reporter.Load(); r != 0 {
		if r != c.ID+1 {
			halt(c, f)
		}
		return
	}
	requests := c.NMIRequests.Swap(0)
	if requests&nmiStop != 0 {
		halt(c, f)
	}
	if requests&nmiBacktrace != 0 {
		record(c, f)
	}
	if requests == 0 {
		unknown.Add(1)
	}
}

// onStop handles a stop IPI: the CPU halts, with no lock held, since the IPI
// arrived where interrupts are on.
//
// Context: the IPI's interrupt.
func onStop(c *percpu.CPU, f *cpu.Frame) { halt(c, f) }

// StopOthers stops all other CPUs without end, for an orderly end, and returns how
// many it stopped and the number of one that did not stop, or None. If one of them
// has begun a panic, the panic takes precedence.
//
// Every CPU gets an IPI, so that it ends its work in the core and holds no lock. A
// CPU that does not answer within 100 ms is stopped by NMI.
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

// None is not the number of any CPU.
const None = ^uint32(0)

// awaitStop waits until all other CPUs have stopped, and returns the number of one
// that has not at the deadline. It answers TLB flushes meanwhile: a CPU that
// requests a flush must complete it before it can stop.
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

// running reports whether another CPU may still execute code, as far as c can see.
func running(c, o *percpu.CPU) bool {
	return o != c && o.State.Load() >= percpu.Ready && o.StopFrame.Load() == 0
}

// stopByNMI stops the other CPUs wherever they are, within 200 ms. A CPU that
// missed the first NMI gets a second one.
//
// Context: any CPU may hold any lock.
func stopByNMI(c *percpu.CPU) {
	for range 2 {
		for i := range percpu.Count() {
			if o := percpu.Get(i); running(c, o) {
				o.NMIRequests.Or(nmiStop)
				apic.SendNMI(c, o)
			}
		}
		if awaitStop(c, 100*clock.Millisecond) == None {
			return
		}
	}
}

// backtrace is the request in progress; one CPU at a time makes one.
var backtrace struct {
	busy  atom.Uint32
	done  atom.Uint32 // 1: trace is written
	want  atom.Uint32 // CPU number + 1 of the CPU that is to answer
	trace abi.Backtrace
}

// Backtrace interrupts a CPU by NMI, records where it was, and lets it go on. ok is
// false when the CPU does not answer within 200 ms, or another backtrace is in
// progress.
//
// Context: interrupts off.
func Backtrace(c, to *percpu.CPU, out *abi.Backtrace) (ok bool) {
	if !backtrace.busy.CompareAndSwap(0, 1) {
		return false
	}
	backtrace.done.Store(0)
	backtrace.want.Store(to.ID + 1)
	to.NMIRequests.Or(nmiBacktrace)
	apic.SendNMI(c, to)
	if !awaitRecord(c) {
		// The CPU that takes the word out owns the record: a CPU that comes later
		// writes nothing.
		if backtrace.want.Swap(0) != 0 {
			backtrace.busy.Store(0)
			return false
		}
		if !awaitRecord(c) { // it writes, in an NMI, and does not end: no CPU may use the record again
			return false
		}
	}
	*out = backtrace.trace
	backtrace.busy.Store(0)
	return true
}

// awaitRecord waits up to 100 ms for the CPU that is to answer, and reports whether
// it has written.
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

// WarnUnknown logs NMIs that no CPU requested, once each time there are new ones.
//
// Context: a tick of one CPU.
func WarnUnknown(c *percpu.CPU) {
	if n := unknown.Load(); n != warned {
		warned = n
		var l console.Line
		console.Warn(c, l.Str("nmi: ").Dec(uint64(n)).Str(" NMIs so far were not sent by a CPU"))
	}
}

var warned uint32
