package sched

import (
	"muster/kernel/clock"
	"muster/kernel/console"
	"muster/kernel/percpu"
)

// When a CPU ticks. A CPU ticks every tickPeriod while something needs that: another thread
// waits for the CPU, a limit on the CPU time of its thread, a request that was put off.
// A CPU with one thread ticks ten times more seldom, and an idle CPU once a second: that is
// its heartbeat, and it looks after its neighbour then.
//
// Whatever comes to need ticks makes the CPU look. On the CPU itself, startTick or
// c.Retick does that, and for another CPU a timer IPI. The CPU announces that it
// does not tick before it looks whether a thread waits. A waker puts the thread into
// the queue before it looks whether the CPU ticks. So one of the two sees the other.

// Times between two ticks of a CPU that needs none; see SetTick.
var slowPeriod, idlePeriod clock.Time

// slowTicks is how many times as long the period of a CPU with one thread is.
const slowTicks = 10

// always makes every CPU tick: bits of KeepTicking.
var always uint32

// Reasons to tick always.
const (
	ByOption = 1 << iota // nohz=off
	ByMode               // the timer interrupts periodically
	ByFaults             // IPIs get lost on purpose, and the tick is what finds their requests
)

// KeepTicking makes every CPU tick always, or not any more for this reason. Another CPU
// notices at its next tick.
//
// Context: one CPU at a time.
func KeepTicking(reason uint32, on bool) {
	always &^= reason
	if on {
		always |= reason
	}
}

// needsTick reports whether this CPU must tick.
func (q *runQueue) needsTick(c *percpu.CPU) bool {
	return q.count.Load() > 0 || always != 0 || c.Pending.Load() != 0 || q.suspects || shared && c.ID == 0 ||
		console.Waiting(c) || Current(c).limited()
}

// plan sets the time of the next tick.
//
// Context: the CPU of the queue.
func (q *runQueue) plan(c *percpu.CPU, now clock.Time) {
	q.ticking.Store(0) // before the look: see startTick
	period := slowPeriod
	switch {
	case q.needsTick(c):
		q.ticking.Store(1)
		period = tickPeriod
	case Current(c) == q.idle:
		period = idlePeriod
	}
	q.planned, q.nextTick = now, staggered(c.ID, percpu.Count(), now, period)
}

// staggered returns the next time after now at which one of n CPUs ticks. The CPUs' ticks are
// spread over the period, so that they do not contend with one another.
func staggered(id, n uint32, now, period clock.Time) clock.Time {
	period = max(period, 1)
	phase := period / clock.Time(max(n, 1)) * clock.Time(id)
	return now + period - (now-phase+period)%period
}

// retick makes this CPU tick if something has come to need it.
//
// Context: the CPU of the queue.
func (q *runQueue) retick(c *percpu.CPU) {
	if q.ticking.Load() == 0 && q.needsTick(c) {
		q.startTick(c)
	}
}

// startTick makes this CPU tick from now on. The next tick finds out whether that is still
// needed.
//
// Context: the CPU of the queue, which does not tick.
func (q *runQueue) startTick(c *percpu.CPU) {
	q.ticking.Store(1)
	now := clock.Now()
	if at := staggered(c.ID, percpu.Count(), now, tickPeriod); at < q.nextTick {
		q.lived += now - q.planned // no tick counts this part of the span any more
		q.planned, q.nextTick = now, at
		q.program(at)
	}
}

// wantTick makes CPU to tick, in whose queue a thread waits.
func wantTick(c, to *percpu.CPU) {
	q := local(to)
	if q.ticking.Load() != 0 { // after the thread was put into the queue: see plan
		return
	}
	if to == c {
		q.startTick(c)
	} else {
		kickTimer(c, to)
	}
}

// limited reports whether a timer on CPU time waits for t: the tick compares.
func (t *Thread) limited() bool {
	return t.Used.limited() || t.Group != nil && t.Group.limited()
}

func (u *Usage) limited() bool {
	return u.Limit.Load() != NoLimit || u.UserLimit.Load() != NoLimit
}

// LimitGroup makes the CPUs tick that run threads of a group, for which a limit was set.
//
// Context: after the limit was stored.
func LimitGroup(c *percpu.CPU, group *Usage) {
	for i := range percpu.Count() {
		if to := percpu.Get(i); to.Sched != 0 && local(to).runs(group) {
			wantTick(c, to)
		}
	}
}

// LimitThread is LimitGroup for the thread of a Usage.
func LimitThread(c *percpu.CPU, used *Usage) {
	if to := threadOfUsage(used).runner(); to != nil {
		wantTick(c, to)
	}
}
