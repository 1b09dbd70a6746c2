package sched

import (
	"math/bits"

	"muster/kernel/ipi"
	"muster/kernel/lock"
	"muster/kernel/percpu"
)

// A wake-up often happens under a lock, which keeps the thread from ending meanwhile. An IPI takes
// longer than all the rest of a wake-up, on a virtual machine much longer, and other CPUs wait for the
// lock meanwhile. So a wake-up only notes the CPU here, and sets c.Retick. The IPI is sent where
// this CPU holds no lock and goes on with something else: on its way out of the core, where a thread
// breathes, before a switch of threads, and in the idle loop. A CPU that was noted twice gets one IPI.
//
// Until then interrupts are off, except in windows, so the IPI is not put off for long: package
// linux bounds each stretch. The thread is in its queue all the time, and any CPU may take it.

// later is the CPUs to which a CPU is to send IPIs of one kind. That CPU alone uses it.
type later struct {
	words  [percpu.Max / 64]uint64
	filled uint64 // bit i says that words[i] is not 0
}

var _ [64]struct{} = [percpu.Max / 64]struct{}{}

func (l *later) add(id uint32) {
	l.words[id/64%64] |= 1 << (id % 64)
	l.filled |= 1 << (id / 64 % 64)
}

// send sends an IPI of a kind to each CPU that was added.
func (l *later) send(c *percpu.CPU, k ipi.Kind) {
	for l.filled != 0 {
		i := uint32(bits.TrailingZeros64(l.filled))
		l.filled &= l.filled - 1
		w := l.words[i%64]
		l.words[i%64] = 0
		for ; w != 0; w &= w - 1 {
			ipi.Send(c, percpu.Get(64*i+uint32(bits.TrailingZeros64(w))), k)
		}
	}
}

// Kick makes a CPU look at its queue, and at the work of its thread, once c holds no lock.
//
// Context: the caller may hold locks.
func Kick(c, to *percpu.CPU) { kick(c, to) }

// kick is Kick.
func kick(c, to *percpu.CPU) {
	if to == c {
		c.Resched = 1
		return
	}
	local(c).kicks.add(to.ID)
	c.Retick = 1
}

// kickTimer makes another CPU look at its timer and its tick, once c holds no lock.
func kickTimer(c, to *percpu.CPU) {
	local(c).ticks.add(to.ID)
	c.Retick = 1
}

// sendKicks sends the IPIs that were noted. Most often there are none.
//
// Context: no lock held. q is c's queue.
func (q *runQueue) sendKicks(c *percpu.CPU) {
	if q.kicks.filled|q.ticks.filled != 0 {
		q.sendNoted(c)
	}
}

// sendNoted is the rest of sendKicks.
func (q *runQueue) sendNoted(c *percpu.CPU) {
	lock.AssertNone(c)
	q.kicks.send(c, ipi.Reschedule)
	q.ticks.send(c, ipi.Timer)
}
