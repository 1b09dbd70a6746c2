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
	nmiProbe                 // does the CPU execute anything?
	nmiSample                // record where the CPU is, for a profile
	nmiForgotten             // nothing: what ForgetSample has made of nmiSample
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
	for more := requests & (requests - 1); more != 0 && c.NMIsDue < 255; more &= more - 1 {
		c.NMIsDue++
	}
	if requests&nmiStop != 0 {
		halt(c, f)
	}
	if requests&nmiBacktrace != 0 {
		record(c, f)
	}
	if requests&nmiSample != 0 {
		sample(c, f)
	}
	switch {
	case requests != 0:
	case c.NMIsDue != 0: // its request was found together with another one
		c.NMIsDue--
	default:
		unknown.Add(1)
	}
}

// sample takes the NMIs of Sample. It is set before the first one is sent.
var sample func(c *percpu.CPU, f *cpu.Frame)

// HandleSample installs the function that takes the NMIs of Sample.
//
// Context: boot CPU, before the second CPU starts.
func HandleSample(h func(c *percpu.CPU, f *cpu.Frame)) { sample = h }

// Sample makes a CPU call the function of HandleSample in an NMI. It returns false, and
// sends none, if the CPU has not taken the last one.
//
// Context: interrupts off.
func Sample(c, to *percpu.CPU) (sent bool) {
	if to.NMIRequests.Or(nmiSample)&nmiSample != 0 {
		return false
	}
	apic.SendNMI(c, to)
	return true
}

// SampleDue returns whether a CPU has not taken the NMI of the last Sample, or one that was
// forgotten.
func SampleDue(to *percpu.CPU) bool { return to.NMIRequests.Load()&(nmiSample|nmiForgotten) != 0 }

// ForgetSample takes back an NMI of Sample that a CPU has not taken: the next Sample sends
// one. The NMI may be on its way, and still has an owner when it arrives. The loop begins
// anew only if another CPU has changed the word.
func ForgetSample(to *percpu.CPU) {
	for old := to.NMIRequests.Load(); old&nmiSample != 0; old = to.NMIRequests.Load() {
		if to.NMIRequests.CompareAndSwap(old, old&^nmiSample|nmiForgotten) {
			return
		}
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

// Probe sends a CPU an NMI that does nothing but answer.
//
// Context: interrupts off.
func Probe(c, to *percpu.CPU) {
	to.NMIRequests.Or(nmiProbe)
	apic.SendNMI(c, to)
}

// Answered reports whether a CPU has taken the NMI of Probe: it executes instructions.
func Answered(to *percpu.CPU) bool { return to.NMIRequests.Load()&nmiProbe == 0 }

// stalled is 1 + the number of a CPU for which a wait went on, until the log says so.
var stalled atom.Uint32

// Stalled reports whether another virtual CPU takes no NMI for a second: its host may
// have stopped it. It serves a wait that is too long. The CPU that stands still may hold
// the lock, or owe the answer, that the wait is for; or its owner waits for that CPU in
// turn. In the second, a CPU that executes again can do what the wait is for.
//
// Context: interrupts off. The caller may hold any lock, so nothing is logged here.
func Stalled(c *percpu.CPU) bool {
	if !Emulated() {
		return false
	}
	for i := range percpu.Count() {
		if o := percpu.Get(i); running(c, o) {
			Probe(c, o)
		}
	}
	for end := clock.After(clock.Second); !end.Passed(); cpu.Pause() {
		upcall.To.SpinPoll(c)
	}
	for i := range percpu.Count() {
		if o := percpu.Get(i); running(c, o) && !Answered(o) {
			stalled.Store(o.ID + 1)
			return true
		}
	}
	return false
}

// WarnStalled logs that waits went on for a CPU that stood still, once each time. If
// several stood still, it names the last that was found.
//
// Context: a tick of any CPU.
func WarnStalled(c *percpu.CPU) {
	if stalled.Load() == 0 {
		return
	}
	if n := stalled.Swap(0); n != 0 {
		var l console.Line
		console.Warn(c, l.Str("watchdog: a wait went on beyond its limit, because cpu").Dec(uint64(n-1)).Str(" answered no NMI: its host may have stopped it"))
	}
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
