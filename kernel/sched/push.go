package sched

import "muster/kernel/percpu"

// The kernel's own threads, and programs' threads of the real-time class, come first on the whole machine, not on one CPU alone. Such
// a thread that becomes ready goes to an idle CPU, to its last one, or to one near that whose thread comes after it. If
// there is none, it waits, and at each tick its CPU looks again. So while such a thread waits,
// a thread that comes after it runs for at most a tick on one of the neighbours. Threads of the fair class wait
// for an idle CPU: see steal and offer.

// after returns a CPU that may run t, and whose thread comes after those of a level: last, or one of the CPUs with the next
// numbers. ok is false if there is none.
func after(last uint32, t *Thread, l level) (id uint32, ok bool) {
	if local(percpu.Get(last)).running.Load() > l && t.may(last) && percpu.Get(last).IsOnline() { // most often
		return last, true
	}
	n := percpu.Count()
	for i := range min(n, 1+neighbours) {
		id := (last + i) % n
		if v := percpu.Get(id); t.may(id) && v.Sched != 0 && v.IsOnline() && local(v).running.Load() > l {
			return id, true
		}
	}
	return 0, false
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
	id, ok := after(last, t, l)
	return ok && give(c, percpu.Get(id), t)
}

// push gives the best thread that waits in this CPU's queue to a CPU whose thread comes after it, if it is not of the fair class.
//
// Context: the CPU of the queue, in its tick.
// Locks: takes q.mu, and then another queue's.
func (q *runQueue) push(c *percpu.CPU) {
	q.mu.Lock(c)
	var t *Thread
	to, ok := uint32(0), false
	if l := q.rt.best(); l < levelFair {
		t = q.rt.first(l)
		if to, ok = after(c.ID, t, l); ok && to != c.ID {
			q.withdraw(c, t)
		}
	}
	q.mu.Unlock(c)
	if ok && to != c.ID && !give(c, percpu.Get(to), t) {
		enqueue(c, t)
	}
}
