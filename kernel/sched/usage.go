package sched

import (
	"math/bits"

	"muster/kernel/atom"
	"muster/kernel/clock"
	"muster/kernel/cpu"
	"muster/kernel/percpu"
)

// Usage is what a thread, or a group of threads, has used of the CPUs. The time of a
// thread is counted when a CPU switches away from it, at each tick, and when the
// thread reads it; so a group's time lacks at most a tick of each thread.
type Usage struct {
	ticks        atom.Uint64 // counter ticks on a CPU
	user, system atom.Uint64 // ticks of the timer that found a thread outside the core, inside

	// From these on timers are due. The owner stores them, and the tick compares:
	// then the running thread gets WorkTimer.
	Limit     atom.Uint64 // for ticks
	UserLimit atom.Uint64 // for user
}

// WorkTimer is the bit of Thread.Work that says that a timer on CPU time may be due.
const WorkTimer = 1 << 2

// NoLimit is a limit that is not reached.
const NoLimit = 1<<64 - 1

// Init prepares a zeroed Usage.
func (u *Usage) Init() {
	u.Limit.Store(NoLimit)
	u.UserLimit.Store(NoLimit)
}

// Time returns the CPU time.
func (u *Usage) Time() clock.Time { return clock.Span(u.ticks.Load()) }

// UserTicks returns how many ticks of the timer found a thread outside the core.
func (u *Usage) UserTicks() uint64 { return u.user.Load() }

// Split returns the CPU time outside the core and inside it. The ticks of the timer
// are the sample by which the time is split; without a tick all is outside.
func (u *Usage) Split() (user, system clock.Time) {
	all, a, b := u.Time(), u.user.Load(), u.system.Load()
	if b == 0 {
		return all, 0
	}
	hi, lo := bits.Mul64(uint64(all), a)
	part, _ := bits.Div64(hi, lo, a+b)
	return clock.Time(part), all - clock.Time(part)
}

// add counts time on a CPU.
func (u *Usage) add(ticks uint64) { u.ticks.Add(ticks) }

// sample counts a tick of the timer, and reports whether a limit is reached.
func (u *Usage) sample(outside bool) (due bool) {
	if outside {
		u.user.Add(1)
	} else {
		u.system.Add(1)
	}
	return u.ticks.Load() >= u.Limit.Load() || u.user.Load() >= u.UserLimit.Load()
}

// Charge counts the time of the current thread up to now.
func Charge(c *percpu.CPU) {
	local(c).charge(Current(c))
}

// LeaveGroup makes the current thread no longer count for its group, which may end
// before the thread does.
func LeaveGroup(c *percpu.CPU) {
	Charge(c)
	Current(c).Group = nil
}

// charge adds the time since the last switch to a thread and its group.
func (q *runQueue) charge(t *Thread) {
	now := cpu.TSC()
	ticks := now - q.since
	q.since = now
	t.Used.ticks.Store(t.Used.ticks.Load() + ticks)
	if t.Group != nil {
		t.Group.add(ticks)
	}
}

// chargeTick counts the tick for the current thread.
func (q *runQueue) chargeTick(t *Thread, outside bool) {
	if t == q.idle {
		return
	}
	q.charge(t)
	due := t.Used.sample(outside)
	if t.Group != nil && t.Group.sample(outside) || due {
		t.Work.Or(WorkTimer)
	}
}
