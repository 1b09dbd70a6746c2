package sched

import (
	"unsafe"

	"muster/kernel/apic"
	"muster/kernel/atom"
	"muster/kernel/clock"
	"muster/kernel/cpu"
	"muster/kernel/lock"
	"muster/kernel/percpu"
	"muster/kernel/tree"
	"muster/kernel/upcall"
)

// Timer wakes a thread at a time, or makes a call. It is in the queue of the CPU that
// armed it, or that StartSampler names.
type Timer struct {
	node  tree.Node // first; Key is the time
	queue *timerQueue
	armed bool // guarded by queue.mu
	does  action
}

// action is what a timer does when its time has come.
type action uint8

const (
	wakes   action = iota // a thread
	calls                 // upcall.To.TimerExpired
	samples               // upcall.To.Sample
)

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
func (t *Thread) arm(c *percpu.CPU, at clock.Time) { t.timer.arm(c, at) }

// disarm withdraws the timer and reports whether it had not expired.
//
// Locks: takes the timers of the CPU that armed it.
func (t *Thread) disarm(c *percpu.CPU) (inTime bool) { return t.timer.disarm(c) }

// Arm makes upcall.To.TimerExpired be called with t at a time. The queue holds a
// reference to t from here on, which goes to that call or to a Disarm that comes in
// time.
//
// Context: t is not armed, and the caller excludes another Arm or Disarm.
// Locks: takes this CPU's timers.
func (t *Timer) Arm(c *percpu.CPU, at clock.Time) {
	t.does = calls
	t.arm(c, at)
}

// StartSampler arms t: at time at, CPU to calls upcall.To.Sample with t. If t is armed already,
// its time stays. If to is another CPU than c, it looks at its timers again at its next tick, so
// that the first call may be late by a tick.
//
// Context: t is zeroed memory, or was given to StartSampler for the same CPU before.
// Locks: takes the timers of CPU to.
func (t *Timer) StartSampler(c, to *percpu.CPU, at clock.Time) {
	q := &local(to).timers
	q.mu.Lock(c)
	if !t.armed {
		t.does, t.queue, t.armed = samples, q, true
		t.node.Key = uint64(at)
		q.tree.Insert(&t.node)
		if at < q.earliest() {
			q.setFirst(at)
		}
	}
	q.mu.Unlock(c)
}

// Disarm withdraws the timer and reports whether it did so in time. If not, the call
// comes, is being made, or was made; or the timer was never armed.
//
// Locks: takes the timers of the CPU that armed it.
func (t *Timer) Disarm(c *percpu.CPU) (inTime bool) { return t.queue != nil && t.disarm(c) }

func (t *Timer) arm(c *percpu.CPU, at clock.Time) {
	r := local(c)
	q := &r.timers
	q.mu.Lock(c)
	t.node.Key = uint64(max(at, 0))
	t.queue = q
	t.armed = true
	q.tree.Insert(&t.node)
	earlier := at < q.earliest()
	if earlier {
		q.setFirst(max(at, 0))
	}
	q.mu.Unlock(c)
	if earlier && at < r.nextTick {
		apic.ArmTimer(at - clock.Now())
	}
}

func (t *Timer) disarm(c *percpu.CPU) (inTime bool) {
	q := t.queue
	q.mu.Lock(c)
	inTime = t.armed
	if inTime {
		q.remove(t)
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

// expire sets off the timers that are due, with one critical section for each. A
// timer that makes a call has left the queue then, and its reference goes along. If
// some timers are left the caller arms the hardware for a time that has passed, and
// so comes back soon. f is the interrupted context.
func (q *timerQueue) expire(c *percpu.CPU, f *cpu.Frame, now clock.Time) {
	for n := 0; n < maxExpired && q.earliest() <= now; n++ {
		q.mu.Lock(c)
		t := q.takeDue(c, now)
		if t != nil && t.does == wakes {
			Unpark(c, threadOf(t)) // under the lock: disarm keeps the thread here
			t = nil
		}
		q.mu.Unlock(c)
		switch {
		case t == nil:
		case t.does == samples:
			upcall.To.Sample(c, f, uintptr(unsafe.Pointer(t)))
		default:
			upcall.To.TimerExpired(c, uintptr(unsafe.Pointer(t)))
		}
	}
}

// takeDue takes the earliest timer out if it is due, else it returns nil.
//
// Locks: q.mu held.
func (q *timerQueue) takeDue(c *percpu.CPU, now clock.Time) *Timer {
	q.mu.AssertHeld(c)
	n := q.tree.First()
	if n == nil || clock.Time(n.Key) > now {
		return nil
	}
	t := timerOf(n)
	q.remove(t)
	return t
}
