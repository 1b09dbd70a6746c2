package sched

import (
	"muster/kernel/apic"
	"muster/kernel/clock"
	"muster/kernel/console"
	"muster/kernel/cpu"
	"muster/kernel/crash"
	"muster/kernel/ipi"
	"muster/kernel/percpu"
	"muster/kernel/upcall"
	"muster/kernel/vector"
)

// The tick, from the interrupt to the switch of threads. The timer's vector leads to
// onTimer, which does what is due on its CPU: the tick, and the timers of threads
// that sleep. The tick requests a switch by c.Resched when another thread waits.
// On the way out of the interrupt Leave does the switch.

// tickPeriod is the time between two ticks of a CPU. SetTick sets it; the default
// is in package setting.
var tickPeriod clock.Time

// SetTick sets the time between two ticks.
//
// Context: boot CPU, before StartTick.
func SetTick(d clock.Time) {
	tickPeriod = d
	console.SetWindow(d)
}

// Tick returns the time between two ticks.
func Tick() clock.Time { return tickPeriod }

// Install makes this package handle the timer's interrupt, and the IPI that
// replaces a timer that has failed.
//
// Context: boot CPU, after the local APIC or its absence is known.
func Install() {
	vector.Handle(vector.Timer, onTimer)
	if apic.Legacy() {
		vector.Handle(vector.PIC, onLegacyTimer)
	}
	ipi.Handle(ipi.Timer, onTimerIPI)
}

// StartTick starts this CPU's timer.
func StartTick(c *percpu.CPU) {
	q := local(c)
	q.since = cpu.TSC()
	q.nextTick = clock.Now() + tickPeriod
	c.TickAt.Store(cpu.TSC())
	apic.StartTimer()
	apic.ArmTimer(tickPeriod)
}

// onTimer handles the timer's interrupt. It finds IPIs that were lost, or that the
// rate limit has deferred.
func onTimer(c *percpu.CPU, f *cpu.Frame) {
	apic.EOI()
	due(c, f)
	if c.Pending.Load() != 0 {
		ipi.Answer(c, f, ipi.Take(c, ipi.Kinds))
	}
	if c.ID == 0 {
		crash.WarnUnknown(c)
		if console.TakeDamage() {
			upcall.To.Redraw(c)
		}
	}
	crash.WarnStalled(c) // on each CPU: the one that stands still may be the boot CPU
}

// onLegacyTimer handles the 8254's interrupt, on a machine without a local APIC.
func onLegacyTimer(c *percpu.CPU, f *cpu.Frame) {
	if apic.LegacyEOI(0) {
		due(c, f)
	}
}

// due does the work that is due on this CPU, and arms the timer for the next.
func due(c *percpu.CPU, f *cpu.Frame) {
	q := local(c)
	now := clock.Now()
	if now >= q.nextTick {
		tick(c, q)
		q.chargeTick(Current(c), f.User())
		q.nextTick += tickPeriod
		if q.nextTick <= now { // ticks were lost because the host was busy
			q.nextTick = now + tickPeriod
		}
	}
	q.timers.expire(c, f, now)
	apic.ArmTimer(min(q.nextTick, q.timers.earliest()) - clock.Now())
}

// tick lets the next thread of this CPU's queue run, and offers one to an idle CPU.
func tick(c *percpu.CPU, q *runQueue) {
	c.Ticks.Store(c.Ticks.Load() + 1)
	c.TickAt.Store(cpu.TSC())
	if q.count.Load() > 0 {
		c.Resched = 1
		if id, ok := idle.Next(0); ok && id != c.ID && idle.Clear(id) {
			kick(c, percpu.Get(id))
		}
	}
	if c.ID == 0 {
		console.Resume(c)
	}
	watch(c, q)
	crash.PollMachine(c)
}

// Pending reports whether Leave has something to do.
func Pending(c *percpu.CPU) bool { return c.Resched != 0 || Current(c).Work.Load() != 0 }

// workRounds is how often Leave does the work of a thread between two windows for
// interrupts.
const workRounds = 4

// Leave switches threads and does the work of the current thread until nothing is
// pending. Interrupts stay off from the last check to the return. See upcall.Table.
//
//cpucheck:switches the entry stub goes on, and finds the block by GS
func Leave(c *percpu.CPU, f *cpu.Frame, how uintptr) uintptr {
	t := Current(c)
	for n := 1; ; n++ {
		if c.Resched != 0 {
			c = Yield(c)
			continue
		}
		if t.Work.Load() == 0 {
			return how
		}
		c, how = upcall.To.ThreadWork(c, f, how)
		if n%workRounds == 0 {
			window(c) // other CPUs may send signals as fast as this one delivers them
		}
	}
}

// ThreadStart finishes the first switch to a thread. See upcall.Table.
//
//cpucheck:switches as Leave
func ThreadStart(c *percpu.CPU, f *cpu.Frame) uintptr {
	finish(c)
	return Leave(c, f, Current(c).FirstState)
}
