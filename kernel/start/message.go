package start

import (
	"muster/kernel/apic"
	"muster/kernel/cpu"
	"muster/kernel/crash"
	"muster/kernel/cross"
	"muster/kernel/ipi"
	"muster/kernel/mem"
	"muster/kernel/percpu"
	"muster/kernel/sched"
	"muster/kernel/trap"
)

// The vectors of messages lie one behind the other in the order of the kinds.
var _ = [1]struct{}{}[trap.VecReschedule+int(ipi.Stop)-trap.VecStop]

// kindOf returns which message a vector carries; not below ipi.Kinds for none.
func kindOf(vector uint8) ipi.Kind { return ipi.Kind(vector - trap.VecReschedule) }

// answer does what a pending word asks for: all of it, whichever message came first.
// What others wait for comes first. f is what was interrupted.
//
// Context: interrupts off, after EOI.
func answer(c *percpu.CPU, f *cpu.Frame, asked uint32) {
	if asked&(1<<ipi.Flush) != 0 {
		mem.Answer(c)
	}
	if asked&(1<<ipi.Stop) != 0 {
		crash.Stopped(c, f)
	}
	if asked&(1<<ipi.Reschedule) != 0 {
		c.Resched = 1
	}
	if asked&(1<<ipi.Call) != 0 {
		cross.Interrupt(c, sched.Tick())
	}
	if asked&(1<<ipi.Timer) != 0 {
		sched.Poked(c)
	}
}

// timer answers the timer's interrupt. A message that was lost, or that the rate
// limit has put off, is found here.
func timer(c *percpu.CPU, f *cpu.Frame) {
	sched.TimerInterrupt(c)
	if c.Pending.Load() != 0 {
		answer(c, f, ipi.Take(c, ipi.Kinds))
	}
	if c.ID == 0 {
		crash.WarnUnknown(c)
	}
}

// wireMessages gives each kind of message its vector, and the calls of other CPUs
// their functions.
func wireMessages() {
	for k := range ipi.Kinds {
		ipi.Vectors[k] = trap.VecReschedule + uint8(k)
	}
	cross.Set(cross.Controls, readControls)
	cross.Set(cross.Guards, probeGuards)
	cross.Set(cross.Sequence, checkSequence)
	apic.VecTimer = trap.VecTimer
	apic.VecError = trap.VecError
	apic.VecSpurious = trap.VecSpurious
}
