package sched

import (
	"muster/kernel/apic"
	"muster/kernel/console"
	"muster/kernel/percpu"
)

// A CPU goes offline in its own idle loop: the thread that it ran is in its queue then, as any
// other. It closes the queue, so that no thread comes any more, and gives the threads that are
// there to other CPUs. Then it stops its timer, and gives its timers away.
//
// No wake-up is lost. A waker puts its thread into a queue under the queue's lock, before
// or after the queue is closed: before, leave finds the thread; after, put refuses it and
// the waker chooses another CPU. A waker may have taken this CPU out of the set of idle ones, to
// make it steal: leave wakes another CPU in its place.

// leaveBatch is how many threads move between two windows for interrupts.
const leaveBatch = 32

// leave gives this CPU's threads and timers away.
//
// Context: on the idle thread's stack, interrupts off, no lock held.
func leave(c *percpu.CPU) {
	q := local(c)
	c.Step.Store(percpu.StepThreads)
	q.setClosed(c, true)
	idle.Clear(c.ID)
	for n := 1; ; n++ {
		t := q.pull(c, false)
		if t == nil {
			break
		}
		enqueue(c, t)
		if n%leaveBatch == 0 {
			q.sendKicks(c)
			window(c)
		}
	}
	if id, ok := claim(0); ok {
		kick(c, percpu.Get(id))
	}
	q.sendKicks(c)
	c.Step.Store(percpu.StepTimers)
	stopTimer()
	window(c) // a pending interrupt of the timer is delivered all the same
	for MoveTimers(c, c, percpu.Get(0)) {
		window(c)
	}
	console.Resume(c) // this CPU has no further tick
	q.sendKicks(c)    // of interrupts in the windows
	c.Resched = 0
}

// stopTimer masks this CPU's timer, but in models.
var stopTimer = apic.StopTimer

// setClosed closes a queue, or opens it.
//
// Locks: takes q.mu.
func (q *runQueue) setClosed(c *percpu.CPU, closed bool) {
	q.mu.Lock(c)
	q.closed = closed
	q.mu.Unlock(c)
}

// refuge gives t, whose last CPU is not online, to the next one that takes threads. The boot
// CPU always does.
func refuge(c *percpu.CPU, last uint32, t *Thread) {
	n := percpu.Count()
	for i := uint32(1); i < n; i++ {
		v := percpu.Get((last + i) % n)
		if v.Sched != 0 && give(c, v, t) {
			return
		}
	}
}
