package sched

import "muster/kernel/clock"

// The cap of the real-time class: programs' threads of that class get at most 95% of a CPU while threads of
// the fair class wait there, so a program that computes at a real-time priority does not stop the shell. In each period of a
// second their time is counted. When they have had their part, a thread of the fair class runs in their
// place until the period is over. Where none waits, they go on. The kernel's own threads have no cap.
//
// Linux has the same values (Documentation/scheduler/sched-rt-group.rst, sched_rt_runtime_us and sched_rt_period_us).

// Lengths of the cap.
const (
	capPeriod = clock.Second
	capPart   = 950 * clock.Millisecond
)

// capped is how much time real-time threads of programs have had in this period. The lock of the run queue guards it.
type capped struct {
	began uint64     // counter value at the beginning of the period
	since uint64     // counter value up to which used is counted, while such a thread runs
	used  clock.Time // in this period
}

// isCapped reports whether a level is one of programs in the real-time class.
func isCapped(l level) bool { return l-1 < priorities }

// count counts the time of a thread of a program in the real-time class, which has run until now. If the counter was set
// back, time goes on from there.
func (k *capped) count(now uint64) {
	if ticks := int64(now - k.since); ticks > 0 {
		k.used += clock.Span(uint64(ticks))
	}
	k.since = now
}

// isSpent reports whether the part of this period is used up. A period begins with the first look after the last one.
func (k *capped) isSpent(now uint64) bool {
	if ticks := int64(now - k.began); ticks < 0 || clock.Span(uint64(ticks)) >= capPeriod {
		k.began, k.used = now, 0
	}
	return k.used >= capPart
}

// bestLevel returns the best level of a waiting thread, levelFair if none is better, or if programs' threads of the real-time class
// have to leave time to those of the fair class.
//
// Locks: q.mu held; not asserted: next has just taken it.
func (q *runQueue) bestLevel(now uint64) level {
	l := q.rt.best()
	if isCapped(l) && q.hasFair() && q.cap.isSpent(now) {
		return levelFair
	}
	return l
}

// hasFair reports whether a thread of the fair class runs or waits.
func (q *runQueue) hasFair() bool { return q.fair.load != 0 }
