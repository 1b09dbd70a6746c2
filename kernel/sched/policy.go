package sched

import (
	"muster/kernel/atom"
	"muster/kernel/percpu"
)

// The policy of a program's thread: the fair class, or a priority of the real-time class, FIFO or in turns (round-robin).
// Any CPU may set the policy of any such thread, whatever the thread does. A setter stores one word. The level itself, by which
// queues sort the thread, changes only while the thread counts in no queue, or on its own CPU
// under the lock of that CPU's queue. So what a queue has for a thread stays as it was counted.
//
//	the thread comes into a queue   put, putBack and adopt take the new level, before they count the thread anew
//	it waits in a queue             the setter takes it out, and puts it in again
//	it runs                         the setter interrupts its CPU, which takes the new level when it chooses the next thread
//	none of these, for a moment     WorkSettle makes the CPU look that runs the thread next: see affinity.go
//
// In the last case the thread may wait once at its old level.

// policy is what was set for a thread of a program: 0 for the fair class from the beginning.
type policy struct {
	word  atom.Uint32
	taken uint32 // the word that level and turns of the thread come from
}

// A policy's word: the level, and these bits.
const (
	policySet   = 1 << 31
	policyTurns = 1 << 30
	policyLevel = 1<<30 - 1
)

// SetPolicy makes t a thread of the fair class for priority 0, or of the real-time class for a priority from 1 to 99. turns says
// whether it takes turns with others of its priority.
//
// Context: t is a program's and cannot be freed; any state. One caller at a time for a thread.
// Locks: takes run queues', and t's binding.mu.
func (t *Thread) SetPolicy(c *percpu.CPU, priority uint32, turns bool) {
	word := uint32(policySet) | levelFair - min(priority, priorities)
	if turns && priority != 0 {
		word |= policyTurns
	}
	if was := t.policy.word.Load(); was == word || was == 0 && priority == 0 {
		return
	}
	t.policy.word.Store(word)
	t.Work.Or(WorkSettle) // after the word, and before the look
	if in := t.in.Load(); in != 0 && local(percpu.Get(in-1)).takeOut(c, t) {
		enqueue(c, t)
	} else if to := t.runner(); to != nil {
		kick(c, to)
	}
}

// InheritPolicy gives a new thread the policy of the one that makes it.
//
// Context: nothing has started t.
func (t *Thread) InheritPolicy(from *Thread) { t.policy.word.Store(from.policy.word.Load()) }

// ForgetPolicy gives a new thread the fair class again.
//
// Context: as InheritPolicy.
func (t *Thread) ForgetPolicy() { t.policy.word.Store(0) }

// Priority returns what SetPolicy has set: 0, or a priority of the real-time class.
func (t *Thread) Priority() uint32 {
	word := t.policy.word.Load()
	if word == 0 {
		return 0
	}
	l, _ := levelOf(word)
	return levelFair - l
}

// levelOf returns the level that a policy's word has.
func levelOf(word uint32) (l level, turns bool) { return word & policyLevel, word&policyTurns != 0 }

// takePolicy gives a thread the level that was set for it.
//
// Context: the thread counts in no queue, and belongs to the caller.
func (t *Thread) takePolicy() {
	if !t.isSettled() {
		t.policy.taken = t.policy.word.Load()
		t.level, t.turns = levelOf(t.policy.taken)
	}
}

// isSettled reports whether a thread has the level that was set for it.
//
// Context: as takePolicy, or the current thread.
func (t *Thread) isSettled() bool { return t.policy.word.Load() == t.policy.taken }

// settle gives the thread that runs the level that was set for it.
//
// Locks: q.mu held; not asserted: next has just taken it.
func (q *runQueue) settle(t *Thread) {
	f := &q.fair
	if t.level == levelFair {
		f.part(&t.share)
		f.runs = nil
	}
	t.takePolicy()
	if t.level == levelFair {
		f.join(&t.share)
		f.runs = t
	}
	q.running.Store(t.level)
	q.cap.since = f.since
}
