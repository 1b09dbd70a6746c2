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

// kindOf returns which message a vector carries, Kinds for none.
func kindOf(vector uint8) ipi.Kind {
	switch vector {
	case trap.VecReschedule:
		return ipi.Reschedule
	case trap.VecCall:
		return ipi.Call
	case trap.VecFlush:
		return ipi.Flush
	case trap.VecTimerMessage:
		return ipi.Timer
	case trap.VecStop:
		return ipi.Stop
	}
	return ipi.Kinds
}

// message answers a message from another CPU: all that this CPU is asked for,
// whichever message came first. f is what it interrupted.
func message(c *percpu.CPU, f *cpu.Frame, k ipi.Kind) {
	asked := ipi.Take(c, k)
	if asked == 1<<ipi.Reschedule {
		c.Resched = 1
		return
	}
	answer(c, f, asked)
}

// answer does what a pending word asks for. What others wait for comes first.
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
	cross.Tick(c)
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
	ipi.Vectors = [ipi.Kinds]uint8{
		ipi.Reschedule: trap.VecReschedule,
		ipi.Call:       trap.VecCall,
		ipi.Flush:      trap.VecFlush,
		ipi.Timer:      trap.VecTimerMessage,
		ipi.Stop:       trap.VecStop,
	}
	cross.Set(cross.Controls, readControls)
	cross.Set(cross.Guards, probeGuards)
	cross.Set(cross.Sequence, checkSequence)
	apic.VecTimer = trap.VecTimer
	apic.VecError = trap.VecError
	apic.VecSpurious = trap.VecSpurious
}
