package linux

import (
	"muster/kernel/list"
	"muster/kernel/lock"
	"muster/kernel/percpu"
	"muster/kernel/sched"
)

// turn lets one task at a time use a stream of bytes, in the order of arrival. A
// sched.Mutex would not do: a signal must end the wait for a turn, because the task
// that has the turn may itself wait for a slow reader. The holder is a task
// inside a system call, which gives the turn up before the system call returns, so a
// program that ends leaves no turn taken.
type turn struct {
	mu     lock.Spin
	holder *Task     // guarded by mu
	queue  list.List // tasks that wait for their turn, guarded by mu
	missed bool      // a task that must not wait found the turn taken; guarded by mu
}

func (q *turn) init() { q.mu.Rank = lock.RankMutex }

// take waits for t's turn. eRestart: a signal came first. EAGAIN: the turn is taken, and
// nonblock says that the task must not wait.
//
// Context: no lock held. Returns the CPU on which the task goes on.
func (q *turn) take(c *percpu.CPU, t *Task, nonblock bool) (_ *percpu.CPU, e Errno) {
	q.mu.Lock(c)
	e = q.join(c, t, nonblock)
	for e == 0 && q.holder != t {
		if t.interrupted() {
			q.queue.Remove(&t.Wait)
			e = eRestart
			break
		}
		q.mu.Unlock(c)
		c = sched.Park(c)
		q.mu.Lock(c)
	}
	q.mu.Unlock(c)
	return c, e
}

// join gives t the turn if it is free, and otherwise a place in the queue, unless
// nonblock forbids it.
//
// Locks: q.mu held.
func (q *turn) join(c *percpu.CPU, t *Task, nonblock bool) (e Errno) {
	q.mu.AssertHeld(c)
	switch {
	case q.holder == nil:
		q.holder = t
	case nonblock:
		q.missed = true
		e = EAGAIN
	default:
		q.queue.Push(&t.Wait)
	}
	return e
}

// give hands the turn to the task that has waited longest. missed says that a task
// that must not wait was sent away meanwhile: the caller reports that the file may be
// ready.
//
// Context: the current task has the turn.
func (q *turn) give(c *percpu.CPU) (missed bool) {
	var next sched.Woken
	q.mu.Lock(c)
	q.holder = nil
	if n := q.queue.Pop(); n != nil {
		q.holder = waiter(n)
		next.Prepare(q.holder.thread()) // under mu: the task cannot leave take before
	}
	missed, q.missed = q.missed, false
	q.mu.Unlock(c)
	next.Ready(c)
	return missed
}

// wake makes the task that has the turn look again at what it waits for.
//
// Context: any, interrupt handlers too.
func (q *turn) wake(c *percpu.CPU) {
	var holder sched.Woken
	q.mu.Lock(c)
	if q.holder != nil {
		holder.Prepare(q.holder.thread())
	}
	q.mu.Unlock(c)
	holder.Ready(c)
}
