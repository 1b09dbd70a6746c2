package sched

import (
	"muster/kernel/atom"
	"muster/kernel/clock"
	"muster/kernel/percpu"
)

// The life of a thread is the times in which a CPU runs it, those in which it is ready and waits for a CPU, and those in
// which it sleeps. File usage.go counts the first; this file counts the two others.
//
// Each change of a thread's state belongs to one CPU alone: the one that switches away from the thread, the one that wins
// the swap from parked to ready, the one that switches to the thread. So each of them stores plain words.
//
//	it leaves a CPU    mark = now, the counter value up to which its time on the CPU was counted
//	it becomes ready   slept += now - mark; mark = now
//	it gets a CPU      waited += now - mark, where now is the counter value from which its time on the CPU counts
//
// A thread that moves from one queue to another keeps its mark. So nothing is done in a queue, and a stolen thread, one
// that was put into another queue, and one whose CPU goes offline count as any other.
//
// The counters of two CPUs may differ a little: a time that would be negative counts as none. Where they differ too much
// for a clock, the sums mean nothing, and Spans says so.

// spans is how long a thread has waited and slept, in counter ticks.
type spans struct {
	mark   atom.Uint64 // counter value at which it left its CPU, or became ready
	waited atom.Uint64
	slept  atom.Uint64
	seen   [2]uint64 // the largest times that Spans has returned, waited and slept: its callers hold a lock
}

// noMark is the mark of the idle threads, which never wait: a difference to it is negative.
const noMark = 1<<63 - 1

// left says that a CPU has run the thread up to now.
func (s *spans) left(now uint64) { s.mark.Publish(now) }

// woke says that the thread, which slept, is ready now.
func (s *spans) woke(now uint64) {
	if d := int64(now - s.mark.Load()); d > 0 {
		s.slept.Count(uint64(d))
	}
	s.mark.Publish(now)
}

// claimed says that a CPU runs the thread from now on.
func (s *spans) claimed(now uint64) {
	if d := int64(now - s.mark.Load()); d > 0 {
		s.waited.Count(uint64(d))
	}
}

// Spans returns how long t was ready and did not run, and how long it slept, up to now. ok is false where the counters
// of the CPUs differ too much to tell.
//
// A reader must not add the time since the mark to the wrong sum. That a thread is in a queue is published after the
// mark, and taken back before the thread gets a CPU. That it is parked is published after the mark of the CPU that has left
// it, and taken back before the mark of its wake-up. So the time since the mark counts if the thread is still in the same
// queue, or still parked, with the same mark, after the counter was read. Otherwise a little time is missing, but a result is
// never less than an earlier one.
//
// Context: t cannot be freed; one caller at a time. Any state of t, which may change meanwhile.
func (t *Thread) Spans() (waited, slept clock.Time, ok bool) {
	w, s := t.spansNow()
	seen := &t.spans.seen
	seen[0], seen[1] = max(seen[0], w), max(seen[1], s)
	return clock.Span(seen[0]), clock.Span(seen[1]), clock.Clock() == clock.Kinds
}

// spansNow is Spans in counter ticks.
func (t *Thread) spansNow() (waited, slept uint64) {
	s := &t.spans
	in, state := t.in.Load(), t.state.Load()
	mark := s.mark.Load()
	waited, slept = s.waited.Load(), s.slept.Load()
	more := max(int64(counter()-mark), 0)
	switch {
	case s.mark.Load() != mark:
	case in != 0 && t.in.Load() == in:
		waited += uint64(more)
	case in == 0 && state == stParked && t.state.Load() == stParked:
		slept += uint64(more)
	}
	return waited, slept
}

// RunTicks returns how long a CPU has run threads since its first start, in counter ticks, up to now: see IdleTicks. A reader
// may miss the turn that the CPU counts at the moment.
func RunTicks(c *percpu.CPU) uint64 {
	if c.Sched == 0 {
		return 0
	}
	q := local(c)
	since, ran := q.since.Load(), q.ran.Load()
	busy, more := !q.isIdle(c), sinceCounted(q)
	if busy && q.since.Load() == since {
		ran += more
	}
	return ran
}
