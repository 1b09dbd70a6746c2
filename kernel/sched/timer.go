package sched

import (
	"unsafe"

	"muster/kernel/apic"
	"muster/kernel/atom"
	"muster/kernel/clock"
	"muster/kernel/lock"
	"muster/kernel/percpu"
	"muster/kernel/tree"
)

// Timer wakes a thread at a time. It is in the queue of the CPU that armed it.
type Timer struct {
	node  tree.Node // first; Key is the time
	queue *timerQueue
	armed bool // guarded by queue.mu
}

// timerQueue holds one CPU's timers, the earliest first.
type timerQueue struct {
	mu   lock.Spin
	tree tree.Tree
	// first is the time of the earliest, clock.Never without one. Written under mu;
	// the CPU of the queue reads it without the lock.
	first atom.Uint64
}

func (q *timerQueue) init() {
	q.mu.Rank = lock.RankTimers
	q.setFirst(clock.Never)
}

func (q *timerQueue) earliest() clock.Time { return clock.Time(q.first.Load()) }

func (q *timerQueue) setFirst(at clock.Time) { q.first.Store(uint64(at)) }

func timerOf(n *tree.Node) *Timer { return (*Timer)(unsafe.Pointer(n)) }

func threadOf(t *Timer) *Thread {
	return (*Thread)(unsafe.Pointer(uintptr(unsafe.Pointer(t)) - unsafe.Offsetof(Thread{}.timer)))
}

// arm makes the current thread get a token at a time.
//
// Locks: takes this CPU's timers.
func (t *Thread) arm(c *percpu.CPU, at clock.Time) {
	r := local(c)
	q := &r.timers
	t.timer.node.Key = uint64(max(at, 0))
	t.timer.queue = q
	q.mu.Lock(c)
	t.timer.armed = true
	q.tree.Insert(&t.timer.node)
	earlier := at < q.earliest()
	if earlier {
		q.setFirst(max(at, 0))
	}
	q.mu.Unlock(c)
	if earlier && at < r.nextTick {
		apic.ArmTimer(at - clock.Now())
	}
}

// disarm withdraws the timer and reports whether it had not expired.
//
// Locks: takes the timers of the CPU that armed it.
func (t *Thread) disarm(c *percpu.CPU) (inTime bool) {
	q := t.timer.queue
	q.mu.Lock(c)
	inTime = t.timer.armed
	if inTime {
		q.remove(&t.timer)
	}
	q.mu.Unlock(c)
	return inTime
}

// remove takes a timer out of its queue. The hardware may still interrupt for it,
// which does no harm.
func (q *timerQueue) remove(t *Timer) {
	q.tree.Remove(&t.node)
	t.armed = false
	first := clock.Never
	if n := q.tree.First(); n != nil {
		first = clock.Time(n.Key)
	}
	q.setFirst(first)
}

// maxExpired is the largest number of timers that expire in one interrupt. So other
// interrupts come in between, even if a program makes very many threads sleep until
// the same moment.
const maxExpired = 32

// expire wakes the threads of timers that are due, with one critical section for
// each. If some are left the caller arms the hardware for a time that has passed,
// and so comes back soon.
func (q *timerQueue) expire(c *percpu.CPU, now clock.Time) {
	for n := 0; n < maxExpired && q.earliest() <= now; n++ {
		q.mu.Lock(c)
		if n := q.tree.First(); n != nil && clock.Time(n.Key) <= now {
			t := timerOf(n)
			q.remove(t)
			Unpark(c, threadOf(t)) // under the lock: disarm keeps the thread here
		}
		q.mu.Unlock(c)
	}
}
