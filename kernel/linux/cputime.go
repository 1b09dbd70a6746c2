package linux

import (
	"unsafe"

	"muster/kernel/clock"
	"muster/kernel/list"
	"muster/kernel/percpu"
	"muster/kernel/sched"
	"muster/kernel/tree"
)

// CPU time as a clock with timers: of one task, of a process, or of a process outside
// the core. Package sched counts the time. At each tick it compares the time with the
// limit, the first timer's; if the limit is reached the running task gets workTimer,
// and sets the timers off on its way out of the core. So these timers have the
// resolution of the tick, as they have in Linux.

// cpuClock is a clock of CPU time, guarded by the lock of its process.
type cpuClock struct {
	usage  *sched.Usage
	task   *Task     // whose time it is, nil for a process
	user   bool      // counts ticks of the timer outside the core
	due    tree.Tree // armed timers, by time
	timers list.List // all timers on this clock
}

func (k *cpuClock) now(c *percpu.CPU) clock.Time {
	switch {
	case k.user:
		return clock.Time(k.usage.UserTicks(c)) * sched.Tick()
	case k.task != nil:
		return k.task.ThreadTime()
	}
	return k.usage.GroupTime(c)
}

func timerOfCPU(n *tree.Node) *timer {
	return (*timer)(unsafe.Add(unsafe.Pointer(n), -int(unsafe.Offsetof(timer{}.byCPU))))
}

func timerOfMember(n *list.Node) *timer {
	return (*timer)(unsafe.Add(unsafe.Pointer(n), -int(unsafe.Offsetof(timer{}.member))))
}

// add puts a new timer on the clock.
//
// Locks: Process.mu held; not asserted: the callers have just taken it.
func (k *cpuClock) add(tm *timer) {
	tm.clock, tm.cpu = timerCPU, k
	k.timers.Push(&tm.member)
}

// insert arms a timer.
//
// Locks: Process.mu held; not asserted: the callers have just taken it.
func (k *cpuClock) insert(c *percpu.CPU, tm *timer) {
	tm.byCPU.Key = uint64(tm.at)
	k.due.Insert(&tm.byCPU)
	tm.queued = true
	k.limit()
	if k.task != nil {
		sched.LimitThread(c, k.usage)
	} else {
		sched.LimitGroup(c, k.usage)
	}
}

// remove disarms a timer.
//
// Locks: Process.mu held; not asserted: the callers have just taken it.
func (k *cpuClock) remove(tm *timer) {
	k.due.Remove(&tm.byCPU)
	tm.queued = false
	k.limit()
}

// limit tells package sched when the first timer is due.
//
// Locks: Process.mu held; not asserted: the callers have just taken it.
func (k *cpuClock) limit() {
	at := uint64(sched.NoLimit)
	n := k.due.First()
	switch {
	case k.user:
		if n != nil {
			at = n.Key/uint64(sched.Tick()) + 1
		}
		k.usage.UserLimit.Store(at)
	default:
		if n != nil {
			at = clock.Ticks(clock.Time(n.Key))
		}
		k.usage.Limit.Store(at)
	}
}

// timerBatch is the number of timers that expire or end in one critical section.
const timerBatch = 16

// expire sets off up to n timers that are due, and returns how many of the n are left.
//
// Locks: t.proc.mu held.
func (k *cpuClock) expire(c *percpu.CPU, t *Task, n int) (left int) {
	t.proc.mu.AssertHeld(c)
	for now := k.now(c); n > 0; n-- {
		first := k.due.First()
		if first == nil || clock.Time(first.Key) > now {
			return n
		}
		tm := timerOfCPU(first)
		tm.mu.Lock(c)
		k.remove(tm)
		tm.fire(c, t)
		tm.mu.Unlock(c)
	}
	return 0
}

// expireCPU sets off the timers on CPU time that are due for the current task, unless
// the lock is taken: then the next tick tries again. A wait for the lock is CPU time
// too. On a slow machine with many CPUs it would make the next timers due, and no CPU
// would do anything else.
//
// Context: no lock held. Returns the CPU on which the task goes on.
func (t *Task) expireCPU(c *percpu.CPU) *percpu.CPU {
	p := t.proc
	sched.Charge(c)
	for {
		if !p.mu.TryLock(c) {
			return c
		}
		left := t.clock.expire(c, t, timerBatch)
		left = p.timers.cpu.expire(c, t, left)
		left = p.timers.virtual.expire(c, t, left)
		p.mu.Unlock(c)
		if left > 0 {
			return c
		}
		c = sched.Breathe(c)
	}
}

// dropTimers takes the timers off that refer to the current task, which ends and has
// withdrawn: those on its CPU time, and those whose signal waits for it, do not expire
// again. It reports whether the task was the last of its process.
//
// Context: no lock held. Returns the CPU on which the task goes on.
func (t *Task) dropTimers(c *percpu.CPU) (_ *percpu.CPU, last bool) {
	p := t.proc
	for {
		p.mu.Lock(c)
		more := t.dropSome(c)
		if !more {
			p.count--
			last = p.count == 0
		}
		p.mu.Unlock(c)
		if !more {
			return c, last
		}
		c = sched.Breathe(c)
	}
}

// dropSome is a step of dropTimers.
//
// Locks: t.proc.mu held.
func (t *Task) dropSome(c *percpu.CPU) (more bool) {
	t.proc.mu.AssertHeld(c)
	for range timerBatch {
		if tm := t.pending.firstTimer(c); tm != nil {
			tm.mu.Lock(c)
			if tm.set == &t.pending { // else another task has set it anew
				tm.disarm(c)
			}
			tm.mu.Unlock(c)
			unname(c)
		} else if m := t.clock.timers.First(); m != nil {
			tm := timerOfMember(m)
			tm.mu.Lock(c)
			tm.disarm(c)
			t.clock.timers.Remove(m)
			tm.cpu = nil
			tm.mu.Unlock(c)
		} else {
			return false
		}
	}
	return true
}
