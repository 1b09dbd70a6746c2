package selftest

import (
	"muster/kernel/abi"
	"muster/kernel/apic"
	"muster/kernel/clock"
	"muster/kernel/cpu"
	"muster/kernel/ipi"
	"muster/kernel/linux"
	"muster/kernel/percpu"
	"muster/kernel/sched"
	"muster/kernel/trap"
	"muster/kernel/vector"
)

// maxMeasure bounds one measurement, which is a stretch with interrupts off.
const maxMeasure = 100

// measure repeats one operation of the core, on this CPU and to itself, and returns
// the nanoseconds of all repetitions, without reading the clock. The shell's
// command bench calls it again and again.
//
// Context: interrupts off, no lock held; on the thread's stack in the core.
func measure(c *percpu.CPU, _ *linux.Task, kind, times int) (*percpu.CPU, uint64) {
	if times <= 0 || times > maxMeasure || kind < 0 || kind >= abi.MeasureKinds {
		return c, linux.Fail(linux.EINVAL)
	}
	if kind == abi.MeasureSwitch {
		return switches(c, times)
	}
	if apic.Legacy() {
		return c, linux.Fail(linux.ENODEV)
	}
	var total, free uint64
	for range times {
		total += measureOnce(c, kind)
		free += nothing()
	}
	trap.Window(c) // delivers the IPI
	return c, uint64(clock.Span(total - min(free, total)))
}

// measured is the frame that an interrupt has seemingly interrupted. It is a
// variable, since a local one would be allocated on the heap; one test runs at a
// time.
var measured cpu.Frame

// nothing returns the time between two readings of the clock, one after the other.
func nothing() uint64 {
	began := cpu.TSC()
	return cpu.TSC() - began
}

// empty raises vector.Empty.
func empty()

// window returns the time that the pending interrupt takes, from entry to exit.
func window(c *percpu.CPU) uint64 {
	began := cpu.TSC()
	trap.Window(c)
	took := cpu.TSC() - began
	began = cpu.TSC()
	trap.Window(c) // no interrupt is pending
	return took - min(took, cpu.TSC()-began)
}

// measureOnce does the operation once, and returns the counter ticks from its first
// instruction to its last. It is one function, so that no call lies between the two
// readings but the operation.
func measureOnce(c *percpu.CPU, kind int) uint64 {
	switch kind {
	case abi.MeasureSend:
		c.Pending.And(^uint32(1 << ipi.Reschedule))
		began := cpu.TSC()
		ipi.Send(c, c, ipi.Reschedule)
		return cpu.TSC() - began
	case abi.MeasureHandle: // between entry and exit
		c.Pending.Or(1 << ipi.Reschedule)
		measured.Vector = vector.Reschedule
		began := cpu.TSC()
		vector.Deliver(c, &measured)
		return cpu.TSC() - began
	case abi.MeasureInterrupt: // with entry and exit
		ipi.Repeat(c, c, ipi.Reschedule)
		return window(c)
	case abi.MeasureEmpty: // by INT: it is not in service, so it needs no EOI
		vector.Handle(vector.Empty, func(*percpu.CPU, *cpu.Frame) {})
		began := cpu.TSC()
		empty()
		return cpu.TSC() - began
	case abi.MeasureSendCall:
		c.Pending.And(^uint32(1 << ipi.Call))
		began := cpu.TSC()
		c.Callers.Set(c.ID)
		ipi.Send(c, c, ipi.Call)
		took := cpu.TSC() - began
		c.Callers.Clear(c.ID)
		return took
	case abi.MeasureHandleCall:
		c.OutFunc.Store(uint64(abi.CallNop))
		c.OutLeft.Store(1)
		c.Callers.Set(c.ID)
		c.Pending.Or(1 << ipi.Call)
		c.CallTicks = 0
		measured.Vector = vector.Call
		began := cpu.TSC()
		vector.Deliver(c, &measured)
		return cpu.TSC() - began
	case abi.MeasureArm, abi.MeasureCancel:
		timerAt = timerAt*6364136223846793005 + 1442695040888963407
		at := clock.Now() + 3600*clock.Second + clock.Time(timerAt>>34)
		began := cpu.TSC()
		measuredTimer.ArmCounted(c, at)
		armed := cpu.TSC()
		measuredTimer.Disarm(c)
		if kind == abi.MeasureArm {
			return armed - began
		}
		return cpu.TSC() - armed
	}
	return nothing()
}

// measuredTimer is armed at a time of a second that timerAt chooses, in which other timers
// may be armed, too.
var (
	measuredTimer sched.Timer
	timerAt       uint64
)
