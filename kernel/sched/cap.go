package sched

import "muster/kernel/clock"

// The cap of the real-time class: programs' threads of that class get at most 95% of a CPU while threads of
// the fair class are ready there, so a program that computes at a real-time priority does not stop the others. Of the time that
// they run, a nineteenth is owed to the fair class. Once that is 50 ms, after 950 ms, threads of the fair class run
// until they have had it. So the shares hold however seldom the CPU looks: a tick may be long, and the host may stop the
// virtual CPU. Where no thread of the fair class is ready, nothing is owed. The kernel's own threads have no cap.
//
// Linux has the same values (Documentation/scheduler/sched-rt-group.rst, sched_rt_runtime_us and sched_rt_period_us), but counts
// them anew in each period of a second.

// Values of the cap.
const (
	capTurn = 50 * clock.Millisecond // of the fair class
	capPart = 19                     // times what is owed, for the real-time class
	capMost = 2 * capTurn            // is owed at most: also by a CPU that stood still for long
)

// capped is what real-time threads of programs owe those of the fair class. The lock of the run queue guards it.
type capped struct {
	since uint64     // counter value up to which the time is counted, while such a thread runs or something is owed
	owed  clock.Time // to the fair class
	pays  bool       // the fair class comes first until nothing is owed
}

// isCapped reports whether a level is one of programs in the real-time class.
func isCapped(l level) bool { return l-1 < priorities }

// count counts the time in which a thread of a level ran until now. fair says that a thread of the fair class is ready, which
// then counts for all of that time. If the counter was set back, time goes on from there.
//
// Locks: the queue's held; not asserted: next has just taken it.
func (k *capped) count(now uint64, l level, fair bool) {
	ticks := int64(now - k.since)
	k.since = now
	if ticks <= 0 {
		return
	}
	d := clock.Span(uint64(ticks))
	switch {
	case isCapped(l) && fair:
		k.owed = min(k.owed+d/capPart, capMost)
	case l == levelFair:
		k.owed -= min(k.owed, d)
	}
	if k.owed >= capTurn {
		k.pays = true
	} else if k.owed == 0 {
		k.pays = false
	}
}

// bestLevel returns the best level of a waiting thread. It returns levelFair if none is better, or if the best one is a program's
// and the real-time class has to leave time to the fair class.
//
// Locks: q.mu held; not asserted: next has just taken it.
func (q *runQueue) bestLevel() level {
	l := q.rt.best()
	if isCapped(l) && q.paysFair() {
		return levelFair
	}
	return l
}

// paysFair reports whether the fair class comes before the real-time class, and a thread of it runs or waits.
func (q *runQueue) paysFair() bool { return q.cap.pays && q.fair.load != 0 }
