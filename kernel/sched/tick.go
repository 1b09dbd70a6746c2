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
	idlePeriod = max(d, clock.Second)
	slowPeriod = max(d, min(slowTicks*d, idlePeriod))
	setRequests(d)
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
	shared = apic.Mode().IsShared()
	if apic.Legacy() || shared {
		vector.Handle(vector.PIC, onLegacyTimer)
	}
	ipi.Handle(ipi.Timer, onTimerIPI)
}

// StartTick starts this CPU's timer.
func StartTick(c *percpu.CPU) {
	q := local(c)
	q.since.Store(cpu.TSC())
	q.ticking.Store(1) // at first: the first tick finds out whether that is needed
	q.planned = clock.Now()
	q.nextTick = staggered(c.ID, percpu.Count(), q.planned, tickPeriod)
	c.TickAt.Store(cpu.TSC())
	apic.StartTimer()
	q.armed = clock.Never
	q.program(q.nextTick)
}

// program makes the timer's hardware interrupt at a time, unless it does so earlier.
//
// Context: the CPU of the queue.
func (q *runQueue) program(at clock.Time) {
	if at < q.armed {
		now := clock.Now()
		q.armed = max(at, now)
		apic.ArmTimer(q.armed - now)
		if shared {
			q.wants.Store(uint64(q.armed))
		}
	}
}

// onTimer handles the timer's interrupt. It finds IPIs that were lost, or that the
// rate limit has deferred.
func onTimer(c *percpu.CPU, f *cpu.Frame) {
	apic.EOI()
	timerInterrupt(c, f)
}

func timerInterrupt(c *percpu.CPU, f *cpu.Frame) {
	due(c, f)
	if c.Pending.Load() != 0 {
		ipi.Answer(c, f, ipi.Take(c, ipi.Kinds))
	}
	if c.ID == 0 {
		crash.WarnUnknown(c)
	}
	crash.WarnStalled(c) // on each CPU: the one that stands still may be the boot CPU
}

// onLegacyTimer handles the interrupt of the 8254, or of the HPET in its place, on a machine without
// a local APIC, or with one whose timer does not work. In the second case the boot CPU, which gets the interrupt, passes
// it on to each CPU whose time has come, so the others are late by up to a tick.
func onLegacyTimer(c *percpu.CPU, f *cpu.Frame) {
	if !apic.LegacyEOI(0) {
		return
	}
	timerInterrupt(c, f)
	if !shared {
		return
	}
	now := uint64(clock.Now())
	for i := range percpu.Count() {
		if to := percpu.Get(i); to != c && to.IsOnline() && local(to).wants.Load() <= now {
			ipi.Send(c, to, ipi.Timer)
		}
	}
}

// shared says that the CPUs share one timer.
var shared bool

// due does the work that is due on this CPU, and arms the timer for the next.
func due(c *percpu.CPU, f *cpu.Frame) {
	q := local(c)
	now := clock.Now()
	q.armed = clock.Never // it has interrupted, or is to do so at another time
	q.why = wakeTimer
	if now >= q.nextTick {
		q.why = wakeTick
		tick(c, q, now)
		q.chargeTick(c, Current(c), f.User())
		q.plan(c, now) // ticks that were lost because the host was busy are not made up for
	}
	q.timers.expire(c, f, now)
	q.retick(c)
	next := min(q.nextTick, q.timers.earliest())
	if looks := clock.Time(q.looks.Load()); looks != 0 {
		if now >= looks {
			q.looks.Store(0)
			c.Resched = 1
		} else {
			next = min(next, looks)
		}
	}
	q.program(next)
}

// tick ends a turn of this CPU's thread, if others wait, and offers one of them to an idle CPU.
func tick(c *percpu.CPU, q *runQueue, now clock.Time) {
	q.lived += q.nextTick - q.planned
	c.Ticks.Store(c.Ticks.Load() + 1)
	c.TickAt.Store(cpu.TSC())
	if c.IsLeaving() {
		c.Resched = 1 // the IPI may be lost
	}
	q.say(c)
	if q.count.Load() > 0 {
		c.Resched = 1
		q.expired = true
		offer(c, q)
		q.push(c)
		q.balance(c, now)
	} else {
		q.streak = 0
	}
	console.Resume(c)
	if now-q.drawn >= tickPeriod && console.TakeDamage() {
		q.drawn = now
		upcall.To.Redraw(c)
	}
	watch(c, q)
	crash.PollMachine(c)
}

// Pending reports whether Leave has something to do.
func Pending(c *percpu.CPU) bool {
	return c.MustLook() || Current(c).Work.Load() != 0
}

// resched does what c.Resched and c.Retick request, and sends the IPIs that were put off.
//
// Context: no lock held. Returns the CPU on which the thread goes on.
func resched(c *percpu.CPU) *percpu.CPU {
	if c.Retick != 0 {
		c.Retick = 0
		q := local(c)
		q.sendKicks(c)
		q.retick(c)
	}
	if c.Resched != 0 {
		c = giveWay(c)
	}
	return c
}

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
		if c.MustLook() {
			c = resched(c)
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
