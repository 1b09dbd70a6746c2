package sched

import (
	"math/bits"
	"unsafe"

	"muster/kernel/atom"
	"muster/kernel/clock"
	"muster/kernel/cpu"
	"muster/kernel/percpu"
)

// Usage is what a thread, or a group of threads, has used of the CPUs. The time of a
// thread is counted when a CPU switches away from it, at each tick, and when the
// thread reads it. GroupTime and ThreadTime add what the CPUs have not counted yet.
type Usage struct {
	ticks        atom.Uint64 // counter ticks on a CPU
	user, system atom.Uint64 // ticks of the timer that found a thread outside the core, inside

	seen atom.Uint64 // the largest time that onward has returned

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

// UserTicks returns how many ticks of the timer found a thread outside the core.
func (u *Usage) UserTicks() uint64 { return u.user.Load() }

// Split divides a CPU time into that outside the core and inside it. The ticks of the timer
// are the sample by which the time is split; without a tick all is outside.
func (u *Usage) Split(all clock.Time) (user, system clock.Time) {
	a, b := u.user.Load(), u.system.Load()
	if b == 0 {
		return all, 0
	}
	hi, lo := bits.Mul64(uint64(all), a)
	part, _ := bits.Div64(hi, lo, a+b)
	return clock.Time(part), all - clock.Time(part)
}

// add counts time on a CPU.
func (u *Usage) add(ticks uint64) { u.ticks.Add(ticks) }

// sample counts a tick of the timer, or what stands for weight ticks, and reports whether a
// limit is reached.
func (u *Usage) sample(outside bool, weight uint64) (due bool) {
	if outside {
		u.user.Add(weight)
	} else {
		u.system.Add(weight)
	}
	return u.ticks.Load() >= u.Limit.Load() || u.user.Load() >= u.UserLimit.Load()
}

// Charge counts the time of the current thread up to now.
func Charge(c *percpu.CPU) {
	local(c).chargeThread(Current(c), cpu.TSC())
}

// LeaveGroup makes the current thread no longer count for its group, which may end
// before the thread does.
func LeaveGroup(c *percpu.CPU) {
	Charge(c)
	Current(c).Group = nil
}

// chargeThread is chargeTo for another thread than the idle one.
func (q *runQueue) chargeThread(t *Thread, now uint64) {
	q.ran.Count(q.chargeTo(t, now))
}

// chargeTo adds the time since the last switch, up to a counter value, to a thread and its group, and returns it.
func (q *runQueue) chargeTo(t *Thread, now uint64) (ticks uint64) {
	ticks = now - q.since.Load()
	q.since.Publish(now) // before the sums: see live
	t.Used.ticks.Count(ticks)
	if t.Group != nil {
		t.Group.add(ticks)
	}
	return ticks
}

// weight returns for how many ticks the sample of this one stands: as many as would have come
// since the sample before it, or since the thread's turn began.
func (q *runQueue) weight() uint64 {
	now := q.since.Load()
	n := (now - q.sampled + clock.Ticks(tickPeriod)/2) / max(clock.Ticks(tickPeriod), 1)
	q.sampled = now
	return min(max(n, 1), 2*uint64(idlePeriod/tickPeriod))
}

// sinceCounted returns the counter ticks of a CPU's current thread that are not counted yet.
func sinceCounted(q *runQueue) uint64 {
	// The counters of two CPUs may differ a little.
	return uint64(max(int64(cpu.TSC()-q.since.Load()), 0))
}

// runs reports whether a CPU's current thread is one of a group.
func (q *runQueue) runs(group *Usage) bool {
	return q.group.Load() == uintptr(unsafe.Pointer(group))
}

func threadOfUsage(u *Usage) *Thread {
	return (*Thread)(unsafe.Add(unsafe.Pointer(u), -int(unsafe.Offsetof(Thread{}.Used))))
}

// GroupTime returns the CPU time of a group, up to now. A CPU that switches meanwhile has
// moved its time into the sum after it moved since. So the sum is read first, and at worst
// a little time is missing, but what was once returned.
func (u *Usage) GroupTime() clock.Time {
	ticks := u.ticks.Load()
	for i := range percpu.Count() {
		if v := percpu.Get(i); v.Sched != 0 && local(v).runs(u) {
			ticks += local(v).uncounted(u)
		}
	}
	return clock.Span(u.onward(ticks))
}

// uncounted returns the counter ticks of a CPU's current thread that are not counted yet, if
// that is one of a group. A CPU counts, and moves since, before it says that it runs another
// thread. So the time is the group's if the CPU still runs it after the counter was read, and
// has not moved since.
func (q *runQueue) uncounted(group *Usage) uint64 {
	since := q.since.Load()
	ticks := sinceCounted(q)
	if !q.runs(group) || q.since.Load() != since {
		return 0
	}
	return ticks
}

// ThreadTime returns the CPU time of a thread, up to now: see uncounted.
func (t *Thread) ThreadTime() clock.Time {
	ticks := t.Used.ticks.Load()
	if on := t.runner(); on != nil {
		q := local(on)
		since := q.since.Load()
		ticks = t.Used.ticks.Load()
		if more := sinceCounted(q); t.runner() == on && q.since.Load() == since {
			ticks += more
		}
	}
	return clock.Span(t.Used.onward(ticks))
}

// onward returns ticks, or what it has returned before if that is more.
func (u *Usage) onward(ticks uint64) uint64 {
	seen := u.seen.Load()
	if ticks > seen {
		u.seen.Store(ticks)
	}
	return max(ticks, seen)
}

// chargeTick counts the tick for the current thread.
func (q *runQueue) chargeTick(t *Thread, outside bool) {
	if t == q.idle {
		return
	}
	q.chargeThread(t, cpu.TSC())
	weight := q.weight()
	due := t.Used.sample(outside, weight)
	if t.Group != nil && t.Group.sample(outside, weight) || due {
		t.Work.Or(WorkTimer)
	}
}
