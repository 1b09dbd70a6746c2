package cpus

import (
	"muster/kernel/apic"
	"muster/kernel/cpu"
	"muster/kernel/cross"
	"muster/kernel/ipi"
	"muster/kernel/linux"
	"muster/kernel/mem"
	"muster/kernel/percpu"
)

// Leave makes a CPU go offline. It only sends the request; CPUInfo shows when the CPU is
// offline, and how far it has come. A repeated call sends the IPI again. EINVAL: no such CPU. EPERM: it
// is the boot CPU, which has the devices' interrupts, and which INIT would make run the
// firmware. ENODEV: it is not online.
//
// Context: one caller at a time for each CPU. Another CPU has to be online.
func Leave(c *percpu.CPU, _ *linux.Task, cpu int) (*percpu.CPU, uint64) {
	to := percpu.Find(cpu)
	switch {
	case to == nil:
		return c, linux.Fail(linux.EINVAL)
	case to.ID == 0:
		return c, linux.Fail(linux.EPERM)
	case to.Dismiss():
		if to == c {
			c.Resched = 1 // the idle thread comes next
		} else {
			ipi.Send(c, to, ipi.Reschedule)
		}
	case to.IsLeaving():
		if to != c {
			ipi.Repeat(c, to, ipi.Reschedule)
		}
	case to.State.Load() != percpu.Gone:
		return c, linux.Fail(linux.ENODEV)
	}
	return c, 0
}

// leave is the end of a CPU's way offline, after package sched has left its threads and
// timers to others. From here on interrupts stay off.
//
// The calls come first, because a CPU that calls waits for an answer. Then the CPU gives back the
// free frames, objects and kernel stacks that it has: it allocates and frees nothing from here on. It leaves the
// set that Online is: nothing waits for its flushes any more. Then its local APIC takes no
// interrupt, so an IPI that is late, or a device's, ends nowhere; NMI and INIT still come.
// The last store lets another CPU send INIT, so nothing follows it.
//
// Source: Intel SDM vol. 3A, "Local APIC State After It Has Been Software Disabled".
func leave(c *percpu.CPU) {
	c.Step.Store(percpu.StepCalls)
	cross.Leave(c)
	c.Step.Store(percpu.StepTLB)
	mem.GiveBack(c)
	mem.Leave(c)
	c.Step.Store(percpu.StepAPIC)
	apic.Disable()
	c.Step.Store(percpu.StepParked)
	c.Park()
	cpu.Stop()
}
