package sched

import (
	"unsafe"

	"muster/kernel/atom"
	"muster/kernel/clock"
	"muster/kernel/lock"
	"muster/kernel/percpu"
)

// runQueue is the ready threads of one CPU: the real-time class by strict levels, and after it the
// fair class by deadlines.
type runQueue struct {
	mu   lock.Spin
	rt   realtime
	fair fair
	cap  capped
	balancer
	id     uint32      // of the CPU
	closed bool        // takes no threads, since its CPU is not online; guarded by mu
	mark   uint32      // what Thread.in is for this queue
	count  atom.Uint32 // threads in rt and fair; stored under mu, loaded anywhere: an old value only costs a look

	// This CPU alone.
	idle     *Thread
	prev     *Thread // left by the switch in progress
	how      leaving
	expired  bool       // the turn of the running thread is over, if threads of a level take turns
	suspects bool       // the neighbour is late, and watched more closely
	planned  clock.Time // when nextTick was set
	lived    clock.Time // the sum of the times between ticks, as they were planned: see watch
	wakes    [wakeReasons]uint64
	did      [deeds]uint64
	why      wakeReason // what the timer's last interrupt was for
	sampled  uint64     // counter value at which the current thread was last sampled, or began
	drawn    clock.Time // when this CPU last woke the thread that draws
	nextTick clock.Time
	armed    clock.Time // when the timer's hardware interrupts at the latest, clock.Never if it may not
	kicks    later      // CPUs to look at their queues
	ticks    later      // CPUs to look at their timers

	looks   atom.Uint64  // when this CPU looks at its queue again, for a thread with a short request; 0 for not set. Stored by this CPU
	ticking atom.Uint32  // 1: ticks every tickPeriod; stored by this CPU, wakers read it
	since   atom.Uint64  // counter value up to which the current thread's time is counted; stored by this CPU
	ran     atom.Uint64  // counter ticks of all its threads but the idle one; stored by this CPU
	group   atom.Uintptr // *Usage of the current thread's group, 0 for none; stored by this CPU
	account account      // for the group of the thread that ran last
	wants   atom.Uint64  // armed, if the CPUs share a timer; stored by this CPU, the boot CPU reads it
	running atom.Uint32  // level of the thread that runs, or is about to; stored under mu, loaded anywhere

	// Each is alone in its line.
	_      [64]byte
	spare  atom.Uint32 // 1: threads wait that another CPU may take, or did; see spared. Stored under mu, loaded anywhere
	_      [64]byte
	isFree atom.Uint32 // 1: the CPU is in the set of idle CPUs: see idleSet
	_      [64]byte

	// What is above lies in the first 4096 bytes: beyond them the compiler tests a pointer before it uses it, by a load from the line of mu.
	timers timerQueue // this CPU alone, as late
	late   late
	near   [nearnesses]percpu.Mask // the CPUs that share something with this one; set before the CPU is registered
}

var _ [4096 - unsafe.Offsetof(runQueue{}.timers)]byte

func local(c *percpu.CPU) *runQueue { return (*runQueue)(unsafe.Pointer(c.Sched)) }

// QueueBytes is the memory that a CPU's queue needs.
const QueueBytes = unsafe.Sizeof(runQueue{})

func (q *runQueue) init(idle *Thread) {
	q.mu.Rank = lock.RankRunQueue
	q.account.mu.Rank = lock.RankAccount
	q.timers.init()
	q.fair.init()
	q.idle = idle
	q.id = idle.cpu.Load()
	q.mark = q.id + 1
	q.running.Store(levelIdle)
}

// put adds a thread that became ready, and returns how many wait then. better says that the thread comes before the one that runs. n is
// 0 if the queue's CPU is not online, or leaves: then the thread was not added. Both sides hold the lock, so no thread comes after leave
// has emptied the queue.
//
// Locks: takes q.mu.
func (q *runQueue) put(c *percpu.CPU, t *Thread) (n uint32, better bool) {
	q.mu.Lock(c)
	f := &q.fair
	ok := !q.closed
	if ok {
		t.takePolicy()
	}
	switch {
	case !ok:
		q.mu.Unlock(c)
		return 0, false
	case t.level < levelFair:
		q.rt.put(t, false)
		better = t.level < q.running.Load()
	case f.runs != nil && f.runs.share.request < fullRequest:
		// No preemption of a thread that has a short request: such a thread is expected to
		// sleep soon, and if it goes on, the CPU looks at its queue again, see look.
		f.join(&t.share)
		f.wait(t)
	default:
		better = q.putFair(c, t)
	}
	t.in.Publish(q.mark)
	n = q.count.Load() + 1
	if (n > 1 || q.running.Load() != levelIdle) && q.spare.Load() == 0 {
		q.spared()
	}
	q.count.Store(n)
	q.mu.Unlock(c)
	if n == 2 {
		q.sayCrowded()
	}
	return n, better
}

// putFair is put for a thread of the fair class that may preempt the one that runs.
//
// Locks: q.mu held; not asserted: put has just taken it.
func (q *runQueue) putFair(c *percpu.CPU, t *Thread) (better bool) {
	f := &q.fair
	q.glance(c)
	if running := q.running.Load(); f.load == 0 && isCapped(running) {
		q.cap.count(f.since, running, false) // until now, no thread of this class was here
	}
	f.join(&t.share)
	f.wait(t)
	if f.runs == nil {
		return q.running.Load() == levelIdle
	}
	return f.preempts(&t.share)
}

// glance is fair.advance on any CPU. Where the counters of the CPUs differ too much for a clock, another CPU leaves it to
// the CPU of the queue; where they differ a little, time does not go back.
//
// Locks: q.mu held; not asserted: the callers have just taken it.
func (q *runQueue) glance(c *percpu.CPU) {
	if local(c) != q && clock.Clock() != clock.Kinds {
		return
	}
	if now := counter(); int64(now-q.fair.since) > 0 {
		q.fair.advance(now)
	}
}

// putBack is put for a thread that this CPU has run until now, and that was left as how says.
//
// Locks: takes q.mu.
func (q *runQueue) putBack(c *percpu.CPU, t *Thread, how leaving) (ok bool) {
	q.mu.Lock(c)
	if q.closed {
		if t.level == levelFair {
			q.fair.part(&t.share)
		}
		q.mu.Unlock(c)
		return false
	}
	switch {
	case !t.isSettled():
		q.putBackAnew(c, t)
	case t.level == levelFair:
		q.fair.wait(t)
	default:
		q.rt.put(t, how != leaveYield)
	}
	t.in.Publish(q.mark)
	if q.spare.Load() == 0 {
		q.spared()
	}
	q.count.Store(q.count.Load() + 1)
	q.mu.Unlock(c)
	return true
}

// spared says that threads wait here which another CPU may take, as this one runs a thread, or has another one to run. A CPU that becomes
// idle looks at spare of other CPUs, and at nothing else of theirs. A thread that wakes up on an idle CPU, as most do, runs there at
// once. So the word does not change then, and CPUs whose threads sleep and wake up share no line. The CPU that runs the threads does not
// clear the word. The first CPU that looks for threads here, and finds none, does: see spent.
//
// Locks: q.mu held; not asserted: the callers have just taken it. They store to q.count or q.running after that, which is a fence: a
// waker that looks at the set of idle CPUs next has stored this word before.
func (q *runQueue) spared() { q.spare.Publish(1) }

// spent says that no thread waits here, if that is so.
//
// Locks: takes q.mu.
func (q *runQueue) spent(c *percpu.CPU) {
	q.mu.Lock(c)
	if q.count.Load() == 0 {
		q.spare.Publish(0)
	}
	q.mu.Unlock(c)
}

// putBackAnew is putBack for a thread whose policy was set after the switch from it began. It may come before the thread that was
// chosen, so the CPU looks again.
//
// Locks: q.mu held; not asserted: putBack has just taken it.
func (q *runQueue) putBackAnew(c *percpu.CPU, t *Thread) {
	c.Resched = 1
	if t.level == levelFair {
		q.fair.part(&t.share)
	}
	t.takePolicy()
	if t.level < levelFair {
		q.rt.put(t, false)
		return
	}
	q.fair.join(&t.share)
	q.fair.wait(t)
}

// next chooses the thread that runs after prev on this CPU, and takes it out of the queue. It returns
// nil if prev can go on, and should, or if prev stops and no thread is here. From the choice on, other CPUs compare the
// threads that they bring with the chosen one.
//
// Context: q is c's queue.
// Locks: takes q.mu.
func (q *runQueue) next(c *percpu.CPU, prev *Thread, how leaving, now uint64) (t *Thread) {
	q.mu.Lock(c)
	f := &q.fair
	f.advance(now)
	if q.cap.owed != 0 || f.runs == nil && isCapped(q.running.Load()) {
		q.cap.count(now, q.running.Load(), f.load != 0)
	}
	if how.isReady() {
		if how == leaveSettled {
			q.settle(prev)
		}
		t = q.replacement(prev, how)
	} else {
		q.stops(prev, how)
		if t = f.lone; t == nil || !q.rt.isEmpty() {
			t = q.best()
		}
	}
	if t != nil {
		if t == f.lone {
			f.lone = nil
		} else {
			q.removeListed(t)
		}
		q.removed(t)
	}
	if t != nil || !how.isReady() {
		q.choose(t)
	}
	short := (f.lone != nil || f.tree.Root != nil) && f.runs != nil && f.waitsShort()
	q.mu.Unlock(c)
	if short && q.looks.Load() == 0 {
		q.look()
	}
	return t
}

// look makes this CPU look at its queue after the length of a short request, as a thread with such a request waits there.
// So such a thread does not wait for the next tick, even if the thread that runs sleeps later than expected.
//
// Context: q is this CPU's queue, and q.looks is 0.
func (q *runQueue) look() {
	at := clock.Now() + clock.Time(shortRequest)
	q.looks.Store(uint64(at))
	q.program(at)
}

// wantLook requests that a CPU look at its queue soon, where a thread with a short request waits. A CPU that is about to
// look needs no IPI: it clears looks first, and then finds the thread. One that runs a thread which comes before the fair
// class finds it when it chooses the next thread.
func wantLook(c, to *percpu.CPU) {
	q := local(to)
	if q.looks.Load() != 0 || q.running.Load() < levelFair { // after the thread was put into the queue
		return
	}
	if to == c {
		q.look()
	} else {
		kick(c, to)
	}
}

// replacement returns the thread that is to run in place of prev, which can go on; nil if prev should.
//
// Locks: q.mu held; not asserted: next has just taken it.
func (q *runQueue) replacement(prev *Thread, how leaving) *Thread {
	best := q.bestLevel()
	switch {
	case best < prev.level:
		return q.rt.first(best)
	case isCapped(prev.level) && q.paysFair():
		return q.fair.first() // none of the class runs, so one is eligible
	case prev.level < levelFair:
		if best == prev.level && how == leaveYield {
			return q.rt.first(best)
		}
		return nil
	case q.fair.any() == nil:
		return nil
	}
	q.fair.reweigh(&prev.share)
	if how == leaveYield {
		q.fair.yield()
		return q.fair.first()
	}
	return q.fair.next()
}

// best returns the thread that is to run next, nil if none is here.
//
// Locks: q.mu held; not asserted: next has just taken it.
func (q *runQueue) best() *Thread {
	if l := q.bestLevel(); l < levelFair {
		return q.rt.first(l)
	}
	return q.fair.first()
}

// remove takes a thread out of the queue. One of the fair class still counts there.
//
// Locks: q.mu held; not asserted: the callers have just taken it.
func (q *runQueue) remove(t *Thread) {
	if t == q.fair.lone {
		q.fair.lone = nil
	} else {
		q.removeListed(t)
	}
	q.removed(t)
}

// removed says that t is not in the queue any more.
func (q *runQueue) removed(t *Thread) {
	t.in.Publish(0)
	q.count.Publish(q.count.Load() - 1) // not Store: a CPU that still sees the old value only looks
}

// removeListed is remove for a thread that is not the only one that waits.
//
// Locks: q.mu held; not asserted: the callers have just taken it.
func (q *runQueue) removeListed(t *Thread) {
	if t.level < levelFair {
		q.rt.remove(t)
	} else {
		q.fair.remove(t)
	}
}

// choose notes that the CPU runs t from now on, or the idle thread for nil.
//
// Locks: q.mu held; not asserted: the callers have just taken it.
func (q *runQueue) choose(t *Thread) {
	l := levelIdle
	q.fair.runs = nil
	if t != nil {
		if l = t.level; l == levelFair {
			q.fair.runs = t
			q.fair.reweigh(&t.share)
		} else if isCapped(l) {
			q.cap.since = q.fair.since
		}
	}
	if q.running.Load() != l {
		q.running.Store(l)
	}
}

// stops notes that prev, which runs, gives the CPU up and does not come back by itself.
//
// Locks: q.mu held; not asserted: the callers have just taken it.
func (q *runQueue) stops(prev *Thread, how leaving) {
	if q.fair.runs == prev { // and not of another class, or the idle thread
		q.fair.part(&prev.share)
		switch how {
		case leaveParked:
			prev.share.slept()
		case leaveDead:
			q.fair.died = prev.share.v
		}
	}
}

// vacate is next for a CPU that goes offline: no thread is to run.
//
// Context: q is c's queue.
// Locks: takes q.mu.
func (q *runQueue) vacate(c *percpu.CPU, prev *Thread, how leaving, now uint64) {
	q.mu.Lock(c)
	q.fair.advance(now)
	if !how.isReady() {
		q.stops(prev, how)
	}
	q.choose(nil)
	q.mu.Unlock(c)
}

// adopt makes t, which is ready and in no queue, the thread that c runs next. It reports whether another thread has come here
// meanwhile, which waits now: its waker took this CPU for idle.
//
// Context: q is c's queue; c runs no other thread.
// Locks: takes q.mu.
func (q *runQueue) adopt(c *percpu.CPU, t *Thread) (waits bool) {
	q.mu.Lock(c)
	q.fair.advance(counter())
	t.takePolicy()
	if t.level == levelFair {
		q.fair.join(&t.share)
	}
	if waits = q.count.Load() > 0; waits {
		q.spared()
	}
	q.choose(t)
	q.mu.Unlock(c)
	return waits
}

// pulled is the largest number of threads that pull looks at.
const pulled = 16

// pull takes a thread out for another CPU, nil if there is none: the best one, but with free it skips threads
// that may not run on c.
//
// Locks: takes q.mu.
func (q *runQueue) pull(c *percpu.CPU, free bool) (t *Thread) {
	if q.count.Load() == 0 {
		return nil
	}
	q.mu.Lock(c)
	n := pulled
	for t = q.waiting(nil); t != nil && free && !t.may(c.ID); t = q.waiting(t) {
		if n--; n == 0 {
			t = nil
			break
		}
	}
	if t != nil {
		q.withdraw(c, t)
	}
	q.mu.Unlock(c)
	return t
}

// takeOut takes a thread out, if it is in this queue.
//
// Locks: takes q.mu.
func (q *runQueue) takeOut(c *percpu.CPU, t *Thread) (ok bool) {
	q.mu.Lock(c)
	if ok = t.in.Load() == q.mark; ok {
		q.withdraw(c, t)
	}
	q.mu.Unlock(c)
	return ok
}

// withdraw takes a thread out that is to run on another CPU.
//
// Locks: q.mu held; not asserted: the callers have just taken it.
func (q *runQueue) withdraw(c *percpu.CPU, t *Thread) {
	q.remove(t)
	if t.level == levelFair {
		q.glance(c)
		q.fair.part(&t.share)
	}
}

// waiting returns the thread that waits after t, or the first one for nil: level by level, those of the fair class by their deadlines.
//
// Locks: q.mu held; not asserted: the callers have just taken it.
func (q *runQueue) waiting(t *Thread) *Thread {
	l := levelKernel
	if t != nil {
		if t.level == levelFair {
			return q.fair.after(t)
		}
		if n := q.rt.lists[t.level%lists].Next(&t.queued); n != nil {
			return queuedThread(n)
		}
		l = t.level + 1
	}
	if l = q.rt.from(l); l < levelFair {
		return q.rt.first(l)
	}
	return q.fair.any()
}
