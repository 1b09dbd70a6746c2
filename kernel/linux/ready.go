package linux

import (
	"muster/kernel/clock"
	"muster/kernel/list"
	"muster/kernel/lock"
	"muster/kernel/percpu"
	"muster/kernel/sched"
)

// ready returns the epoll events that hold now.
//
// Locks: f.mu held.
func (f *File) ready(c *percpu.CPU) (events uint32) {
	f.mu.AssertHeld(c)
	switch f.kind {
	case kindEvent:
		events = f.eventReady(c)
	case kindConsole:
		events = epollOut
	case kindPipeRead, kindPipeWrite:
		events = f.pipeReady(c)
	}
	return events
}

// changed wakes the tasks that wait for f, directly or through an epoll.
//
// Locks: f.mu held.
func (f *File) changed(c *percpu.CPU) {
	f.mu.AssertHeld(c)
	f.waiters.wakeAll(c)
	for n := f.watches.First(); n != nil; n = f.watches.Next(n) {
		watchOfFile(n).trigger(c, f.ready(c))
	}
}

// wait waits once for a change of f. An error says that the system call must end
// instead: f is non-blocking, or a signal has come.
//
// Locks: f.mu held, dropped meanwhile.
func (f *File) wait(c *percpu.CPU, t *Task) (*percpu.CPU, Errno) {
	f.mu.AssertHeld(c)
	if f.flags.Load()&oNonblock != 0 {
		return c, EAGAIN
	}
	if t.interrupted() {
		return c, EINTR
	}
	c, _ = f.waiters.wait(c, t, &f.mu, clock.Never)
	return c, 0
}

// waitList is tasks that wait for a condition, in the order of arrival; guarded by
// the lock of its owner.
type waitList struct{ tasks list.List }

// wait parks the current task t until it is woken; a signal wakes it, too. expired
// says that deadline came first.
//
// Context: mu is the owner's lock. Returns the CPU on which the task goes on.
// Locks: mu held, dropped meanwhile.
func (w *waitList) wait(c *percpu.CPU, t *Task, mu *lock.Spin, deadline clock.Time) (_ *percpu.CPU, expired bool) {
	mu.AssertHeld(c)
	w.tasks.Push(&t.Wait)
	mu.Unlock(c)
	c, expired = sched.ParkUntil(c, deadline)
	mu.Lock(c)
	if t.Wait.Linked() { // a signal or the deadline woke it, not wakeAll
		w.tasks.Remove(&t.Wait)
	}
	return c, expired
}

// wakeAll wakes and removes all tasks. It runs under the owner's lock, so that no
// task exits meanwhile.
func (w *waitList) wakeAll(c *percpu.CPU) {
	for n := w.tasks.Pop(); n != nil; n = w.tasks.Pop() {
		sched.Unpark(c, sched.Waiter(n))
	}
}
