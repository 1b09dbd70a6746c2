package sched

import (
	"unsafe"

	"muster/kernel/atom"
	"muster/kernel/clock"
	"muster/kernel/list"
	"muster/kernel/lock"
	"muster/kernel/percpu"
	"muster/kernel/trace"
)

// runQueue is the ready threads of one CPU.
type runQueue struct {
	mu     lock.Spin
	lists  [classes]list.List
	closed bool        // takes no threads, since its CPU is not online; guarded by mu
	count  atom.Uint32 // threads in lists; stored under mu, loaded anywhere: an old value only costs a look

	// This CPU alone.
	idle     *Thread
	prev     *Thread // left by the switch in progress
	how      leaving
	target   uint32     // with leaveMoved, the CPU to which prev goes
	suspects bool       // the neighbour is late, and watched more closely
	planned  clock.Time // when nextTick was set
	lived    clock.Time // the sum of the times between ticks, as they were planned: see watch
	wakes    [wakeReasons]uint64
	why      wakeReason // what the timer's last interrupt was for
	sampled  uint64     // counter value at which the current thread was last sampled, or began
	drawn    clock.Time // when this CPU last woke the thread that draws
	nextTick clock.Time
	armed    clock.Time // when the timer's hardware interrupts at the latest, clock.Never if it may not
	timers   timerQueue
	late     late
	kicks    later // CPUs to look at their queues
	ticks    later // CPUs to look at their timers

	ticking atom.Uint32  // 1: ticks every tickPeriod; stored by this CPU, wakers read it
	since   atom.Uint64  // counter value up to which the current thread's time is counted; stored by this CPU
	group   atom.Uintptr // *Usage of the current thread's group, 0 for none; stored by this CPU
	wants   atom.Uint64  // armed, if the CPUs share a timer; stored by this CPU, the boot CPU reads it
	running atom.Uint32  // class of the running thread, classes for the idle one; others read it to decide on an IPI
}

// pop takes the first thread of a list out; with free, the first that is not
// pinned.
//
// Locks: q.mu held; not asserted: take, the only caller, has just taken it.
func pop(l *list.List, free bool) *Thread {
	n := l.First()
	for free && n != nil && queuedThread(n).pinned {
		n = l.Next(n)
	}
	if n == nil {
		return nil
	}
	l.Remove(n)
	return queuedThread(n)
}

// queuedThread returns the thread of a node in a run queue.
func queuedThread(n *list.Node) *Thread {
	return (*Thread)(unsafe.Add(unsafe.Pointer(n), -int(unsafe.Offsetof(Thread{}.queued))))
}

func local(c *percpu.CPU) *runQueue { return (*runQueue)(unsafe.Pointer(c.Sched)) }

// QueueBytes is the memory that a CPU's queue needs.
const QueueBytes = unsafe.Sizeof(runQueue{})

func (q *runQueue) init(idle *Thread) {
	q.mu.Rank = lock.RankRunQueue
	q.timers.init()
	q.idle = idle
	q.running.Store(uint32(classes))
}

// put appends a ready thread. It reports false if the queue's CPU is not online, or leaves.
// Both sides hold the lock, so no thread comes after leave has emptied the queue.
//
// Locks: takes q.mu.
func (q *runQueue) put(c *percpu.CPU, t *Thread) (ok bool) {
	q.mu.Lock(c)
	if ok = !q.closed; ok {
		q.lists[t.Class].Push(&t.queued)
		q.count.Store(q.count.Load() + 1)
	}
	q.mu.Unlock(c)
	return ok
}

// take removes the first thread of the best class, nil if there is none below
// limit. free is for a CPU that does not own the queue: take then skips pinned
// threads.
//
// Locks: takes q.mu.
func (q *runQueue) take(c *percpu.CPU, limit Class, free bool) (t *Thread) {
	if q.count.Load() == 0 {
		return nil
	}
	q.mu.Lock(c)
	for class := Class(0); class < limit && t == nil; class++ {
		t = pop(&q.lists[class], free)
	}
	if t != nil {
		q.count.Store(q.count.Load() - 1)
	}
	q.mu.Unlock(c)
	return t
}

// idle is the set of idle CPUs. A CPU adds itself before its last look at the queues. A
// waker that has work for a CPU removes it, so only one of several wakers gets it.
var idle percpu.Mask

// enqueue puts a thread that is ready on a CPU's queue and makes that CPU notice.
// It chooses the CPU that ran the thread last if that is idle, else another idle
// CPU, else the last one.
//
// Locks: takes the queue's.
func enqueue(c *percpu.CPU, t *Thread) {
	last := t.cpu.Load()
	if t.pinned {
		idle.Clear(last)
		if give(c, percpu.Get(last), t) {
			return
		}
		unbind(c, t)
	}
	for id, ok := claim(last); ok; id, ok = claim(last) {
		if give(c, percpu.Get(id), t) {
			return
		}
	}
	if !give(c, percpu.Get(last), t) {
		refuge(c, last, t)
	}
	// A CPU that became idle after the first look, and looked at this queue before
	// the thread was there, is in the set by now: it may come and steal.
	if id, ok := claim(last); ok {
		kick(c, percpu.Get(id))
	}
}

// claim takes an idle CPU out of the set, first if it is in it.
func claim(first uint32) (id uint32, ok bool) {
	if idle.Has(first) && idle.Clear(first) {
		return first, true
	}
	for id, ok = idle.Next(0); ok; id, ok = idle.Next(id + 1) {
		if idle.Clear(id) {
			return id, true
		}
	}
	return 0, false
}

// give puts t on a CPU's queue and, by kick, interrupts that CPU if it should switch, or if it does not
// tick: the tick will make it switch. It reports false if that CPU takes no threads.
func give(c, to *percpu.CPU, t *Thread) (ok bool) {
	q := local(to)
	if !q.put(c, t) {
		return false
	}
	trace.Add(c, trace.Wake, uint64(t.ID), uint64(to.ID))
	if uint32(t.Class) < q.running.Load() {
		kick(c, to)
	} else {
		wantTick(c, to)
	}
	return true
}

// steal takes a thread from another CPU's queue, nil if all are empty.
//
// Locks: takes one queue's at a time.
func steal(c *percpu.CPU) *Thread {
	n := percpu.Count()
	for i := uint32(1); i < n; i++ {
		v := percpu.Get((c.ID + i) % n)
		if v.Sched == 0 {
			continue // registered, not started
		}
		if t := local(v).take(c, classes, true); t != nil {
			return t
		}
	}
	return nil
}
