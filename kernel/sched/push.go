package sched

import "muster/kernel/percpu"

// The kernel's own threads, and programs' threads of the real-time class, come first not on their own CPU alone. Such
// a thread that becomes ready goes to an idle CPU, or to one whose thread comes after it: its last CPU, or one of those with
// the next numbers, its neighbours here. If there is none, it waits, and at each tick its CPU looks again. So while such a
// thread waits, a thread that comes after it runs for at most a tick on one of the neighbours. Threads of the fair class wait
// for an idle CPU: see steal and offer.

// after returns a CPU that may run t, and whose thread comes after those of a level: the first of those with the numbers from
// near+from on, as many as there are neighbours. ok is false if there is none.
func after(near, from uint32, t *Thread, l level) (id uint32, ok bool) {
	n := percpu.Count()
	for i := from; i < min(n, 1+neighbours); i++ {
		if id = (near + i) % n; mayTake(percpu.Get(id), t, l) {
			return id, true
		}
	}
	return near, false
}

// mayTake reports whether t may run on a CPU whose thread comes after those of a level.
func mayTake(v *percpu.CPU, t *Thread, l level) bool {
	return v.Sched != 0 && local(v).running.Load() > l && t.may(v.ID) && v.IsOnline()
}

// nextLevel returns the level that a thread has in the next queue that it comes into.
//
// Context: as takePolicy.
func (t *Thread) nextLevel() level {
	if t.isSettled() {
		return t.level
	}
	l, _ := levelOf(t.policy.word.Load())
	return l
}

// giveUrgent is give for a thread that does not wait if a CPU has one that comes after it. It reports false if there is no such CPU.
//
// Locks: takes the queue's.
func giveUrgent(c *percpu.CPU, last uint32, t *Thread) (ok bool) {
	l := t.nextLevel()
	if l >= levelFair {
		return false
	}
	id, ok := after(last, 0, t, l)
	return ok && give(c, percpu.Get(id), t)
}

// push gives a thread that waits in this CPU's queue, and is not of the fair class, to a CPU whose thread comes after it. It takes
// the best thread for which there is such a CPU, of as many threads as pull looks at.
//
// Context: the CPU of the queue, in its tick.
// Locks: takes q.mu, and then another queue's.
func (q *runQueue) push(c *percpu.CPU) {
	q.mu.Lock(c)
	to, found := c.ID, false
	t := q.waiting(nil)
	for n := pulled; t != nil && t.level < levelFair && n > 0; t, n = q.waiting(t), n-1 {
		if q.running.Load() > t.level { // it has this CPU's next turn, or pays the fair class
			continue
		}
		if to, found = after(c.ID, 1, t, t.level); found {
			q.withdraw(c, t)
			break
		}
	}
	q.mu.Unlock(c)
	if found && !give(c, percpu.Get(to), t) {
		enqueue(c, t)
	}
}
