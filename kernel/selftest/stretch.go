package selftest

import (
	"muster/kernel/abi"
	"muster/kernel/clock"
	"muster/kernel/cpu"
	"muster/kernel/ipi"
	"muster/kernel/linux"
	"muster/kernel/percpu"
	"muster/kernel/sched"
)

// longStretch is twice what a stretch with interrupts off may take, in nanoseconds, which
// are instructions where the clock counts these.
const longStretch = 200_000

// parked is how long the caller is away, so that another thread runs.
const parked = clock.Millisecond

// holdOff keeps interrupts off for longStretch, in one of the ways in which a stretch can
// begin and end. The debug build must notice each.
func holdOff(c *percpu.CPU, kind int) (*percpu.CPU, uint64) {
	switch kind {
	case abi.CrashStretch: // from the entry to the exit
		spin(c, longStretch)
	case abi.CrashStretchWindow: // from one window to the next
		c = sched.Breathe(c)
		spin(c, longStretch)
		c = sched.Breathe(c)
	case abi.CrashStretchSwitch: // from the entry, through a switch of threads, to the other's exit
		spin(c, longStretch)
		c, _ = sched.ParkUntil(c, clock.Now()+parked)
	case abi.CrashStretchInside: // in an interrupt of a window
		callSelf(c)
		c = sched.Breathe(c)
	case abi.CrashStretchOutside: // in an interrupt of code outside the core: it comes after the exit
		callSelf(c)
	}
	return c, linux.Fail(linux.EINVAL)
}

// spin keeps the CPU busy for ns nanoseconds. It is also the function CallSpin.
func spin(_ *percpu.CPU, ns uint64) {
	for began := cpu.TSC(); cpu.TSC()-began < clock.Ticks(clock.Time(ns)); {
		cpu.Pause()
	}
}

// callSelf makes c call CallSpin on itself, by an IPI that comes when interrupts are on.
func callSelf(c *percpu.CPU) {
	c.OutFunc.Store(uint64(abi.CallSpin))
	c.OutWord.Store(longStretch)
	c.OutLeft.Store(1)
	c.Callers.Set(c.ID)
	ipi.Send(c, c, ipi.Call)
}
