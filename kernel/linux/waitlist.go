package linux

import (
	"muster/kernel/clock"
	"muster/kernel/list"
	"muster/kernel/lock"
	"muster/kernel/percpu"
	"muster/kernel/sched"
)

// waitList is tasks that wait for a condition, in the order of arrival; guarded by
// the lock of its owner. A wake-up takes constant time, however many tasks wait: it
// wakes one task, and that task wakes the next one. There are two ways.
//
// wakeAll is for conditions that differ from task to task. Every task that waits at
// that moment wakes in its turn: wait itself passes the wake-up on.
//
// wakeOne is for a condition that is the same for all, such as "there are bytes". It
// is called when the condition becomes true. A task that has waited, and leaves, calls
// it again if the condition still holds, whether the task took what it waited for or
// not: a wake-up that came together with a signal is passed on.
type waitList struct {
	tasks list.List
	n     int // tasks in the list
	due   int // of them, those that the last wakeAll is still to wake
}

// wait parks the current task t until it is woken; a signal wakes it, too. expired
// says that deadline came first.
//
// Context: mu is the owner's lock. Returns the CPU on which the task goes on.
// Locks: mu held, dropped meanwhile.
func (w *waitList) wait(c *percpu.CPU, t *Task, mu *lock.Spin, deadline clock.Time) (_ *percpu.CPU, expired bool) {
	mu.AssertHeld(c)
	w.tasks.Push(&t.Wait)
	w.n++
	mu.Unlock(c)
	c, expired = sched.ParkUntil(c, deadline)
	c = sched.Breathe(c) // a task may wake another one, and wait again at once
	mu.Lock(c)
	if t.Wait.Linked() { // a signal or the deadline woke it
		w.tasks.Remove(&t.Wait)
		w.n--
	} else {
		w.pass(c)
	}
	return c, expired
}

// wakeAll wakes all tasks that wait now, one after the other.
func (w *waitList) wakeAll(c *percpu.CPU) {
	if w.n > 0 {
		w.begin(c)
	}
}

// begin is wakeAll for a list that is not empty, which is rare; the compiler inlines the
// rest.
//
//go:noinline
func (w *waitList) begin(c *percpu.CPU) {
	w.due = w.n
	w.pass(c)
}

// pass wakes the next task of those that the last wakeAll is to wake.
func (w *waitList) pass(c *percpu.CPU) {
	if w.due > 0 {
		w.due--
		w.wakeOne(c)
	}
}

// wakeOne wakes the task that has waited longest. It runs under the owner's lock, so
// that the task does not exit meanwhile.
func (w *waitList) wakeOne(c *percpu.CPU) {
	if n := w.tasks.Pop(); n != nil {
		w.n--
		sched.Unpark(c, sched.Waiter(n))
	}
}
