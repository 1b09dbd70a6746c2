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
	sums             // of a thread; of a group what no account has: see account
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

// Split divides the CPU time of a thread into that outside the core and inside it. The ticks of the timer
// are the sample by which the time is split; without a tick all is outside.
func (u *Usage) Split(all clock.Time) (user, system clock.Time) {
	return split(all, u.user.Load(), u.system.Load())
}

// split divides a time as two numbers of samples.
func split(all clock.Time, outside, inside uint64) (user, system clock.Time) {
	if inside == 0 {
		return all, 0
	}
	hi, lo := bits.Mul64(uint64(all), outside)
	part, _ := bits.Div64(hi, lo, outside+inside)
	return clock.Time(part), all - clock.Time(part)
}

// due reports whether a thread has reached a limit.
func (u *Usage) due() bool {
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
	local(c).group.Store(0) // the next group that this CPU runs may have the same address
}

// chargeThread is chargeTo for another thread than the idle one: its group has the time, too.
func (q *runQueue) chargeThread(t *Thread, now uint64) {
	ticks := q.chargeTo(t, now)
	q.ran.Count(ticks)
	if t.Group != nil {
		q.account.ticks.Count(ticks) // it is the group's: see become
	}
}

// chargeTo adds the time since the last switch, up to a counter value, to a thread, and returns it.
func (q *runQueue) chargeTo(t *Thread, now uint64) (ticks uint64) {
	ticks = now - q.since.Load()
	q.since.Publish(now) // before the sums: see live
	t.Used.ticks.Count(ticks)
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
func (q *runQueue) chargeTick(c *percpu.CPU, t *Thread, outside bool) {
	if t == q.idle {
		return
	}
	q.chargeThread(t, cpu.TSC())
	weight := q.weight()
	t.Used.sample(outside, weight)
	due := t.Used.due()
	if t.Group != nil {
		q.account.sample(outside, weight)
		due = t.Group.groupDue(c) || due
	}
	if due {
		t.Work.Or(WorkTimer)
	}
}
