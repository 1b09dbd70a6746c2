package sched

import (
	"unsafe"

	"muster/kernel/atom"
	"muster/kernel/clock"
	"muster/kernel/cpu"
	"muster/kernel/ipi"
	"muster/kernel/lock"
	"muster/kernel/percpu"
	"muster/kernel/upcall"
	"muster/kernel/wheel"
)

// Timer wakes a thread at a time, or makes a call. It is in the queue of the CPU that
// armed it, or that StartSampler names, or of the CPU that took the timers of that one over.
type Timer struct {
	node  wheel.Node   // first
	queue atom.Uintptr // *timerQueue, 0 before the first arming; changes with the locks of both queues held
	armed bool         // guarded by the queue's lock
	does  action
}

// action is what a timer does when its time has come.
type action uint8

const (
	wakes   action = iota // a thread
	calls                 // upcall.To.TimerExpired
	samples               // upcall.To.Sample
	counts                // a test: the expirations are counted
)

// unitShift makes units of the wheel of nanoseconds: 1.024 us. A timer expires at the
// end of its unit, so it is late by at most that, and never early.
const unitShift = 10

// timerQueue holds one CPU's timers.
type timerQueue struct {
	mu    lock.Spin
	wheel wheel.Wheel // guarded by mu
	// first is not later than the time of the earliest, clock.Never without one. Written under
	// mu; the CPU of the queue reads it without the lock.
	first atom.Uint64
}

func (q *timerQueue) init() {
	q.mu.Rank = lock.RankTimers
	q.note()
}

func (q *timerQueue) earliest() clock.Time { return clock.Time(q.first.Load()) }

// note stores the time of the earliest timer after a change, if it is another one.
//
// Locks: q.mu held; not asserted: init has no CPU.
func (q *timerQueue) note() {
	first := uint64(clock.Never)
	if unit := q.wheel.First(); unit != wheel.Never {
		first = unit << unitShift
	}
	if first != q.first.Load() {
		q.first.Store(first)
	}
}

// lastUnit is the last unit whose beginning is a time.
const lastUnit = uint64(clock.Never) >> unitShift

// unitOf returns the unit at whose beginning a timer for a time is due. A time after the
// beginning of lastUnit, which a program may name, counts as that.
func unitOf(at clock.Time) uint64 {
	return min((uint64(max(at, 0))+1<<unitShift-1)>>unitShift, lastUnit)
}

func address(q *timerQueue) uintptr { return uintptr(unsafe.Pointer(q)) }

func queueAt(at uintptr) *timerQueue { return (*timerQueue)(unsafe.Pointer(at)) }

func timerOf(n *wheel.Node) *Timer { return (*Timer)(unsafe.Pointer(n)) }

func threadOf(t *Timer) *Thread {
	return (*Thread)(unsafe.Pointer(uintptr(unsafe.Pointer(t)) - unsafe.Offsetof(Thread{}.timer)))
}

// arm makes the current thread get a token at a time.
//
// Locks: takes this CPU's timers.
func (t *Thread) arm(c *percpu.CPU, at clock.Time) { t.timer.arm(c, at) }

// disarm withdraws the timer and reports whether it had not expired.
//
// Locks: takes the timers of the CPU that has it.
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

// ArmCounted is Arm for a test: CountedExpired counts the timer when it expires.
//
// Locks: takes this CPU's timers.
func (t *Timer) ArmCounted(c *percpu.CPU, at clock.Time) {
	t.does = counts
	t.arm(c, at)
}

var counted atom.Uint64

// CountedExpired returns how many timers of ArmCounted have expired.
func CountedExpired() uint64 { return counted.Load() }

// StartSampler arms t: at time at, CPU to calls upcall.To.Sample with t. If t is armed already,
// its time stays.
//
// Context: t is zeroed memory, or was given to StartSampler for the same CPU before.
// Locks: takes the timers of CPU to.
func (t *Timer) StartSampler(c, to *percpu.CPU, at clock.Time) {
	q := &local(to).timers
	q.mu.Lock(c)
	before := q.earliest()
	if !t.armed {
		t.does = samples
		q.add(t, unitOf(at))
	}
	earlier := q.earliest() < before
	q.mu.Unlock(c)
	switch {
	case !earlier:
	case to == c:
		local(c).program(at)
	default:
		ipi.Send(c, to, ipi.Timer) // it arms its hardware
	}
}

// Disarm withdraws the timer and reports whether it did so in time. If not, the call
// comes, is being made, or was made; or the timer was never armed.
//
// Locks: takes the timers of the CPU that has it.
func (t *Timer) Disarm(c *percpu.CPU) (inTime bool) { return t.queue.Load() != 0 && t.disarm(c) }

func (t *Timer) arm(c *percpu.CPU, at clock.Time) {
	r := local(c)
	q := &r.timers
	unit := unitOf(at)
	q.mu.Lock(c)
	q.add(t, unit)
	q.mu.Unlock(c)
	r.program(clock.Time(unit << unitShift))
}

// add puts a timer into the queue.
//
// Locks: q.mu held; not asserted: it is the shortest of paths, and its callers have just taken it.
func (q *timerQueue) add(t *Timer, unit uint64) {
	t.queue.Store(address(q))
	t.armed = true
	q.wheel.Insert(&t.node, unit)
	if at := unit << unitShift; at < q.first.Load() {
		q.first.Store(at)
	}
}

func (t *Timer) disarm(c *percpu.CPU) (inTime bool) {
	q := t.lockQueue(c)
	inTime = t.armed
	if inTime {
		q.remove(t)
	}
	q.mu.Unlock(c)
	return inTime
}

// lockQueue locks the queue that has the timer, or had it last. It looks again only if the
// timer has moved meanwhile, because a CPU went offline.
func (t *Timer) lockQueue(c *percpu.CPU) *timerQueue {
	for {
		at := t.queue.Load()
		q := queueAt(at)
		q.mu.Lock(c)
		if t.queue.Load() == at {
			return q
		}
		q.mu.Unlock(c)
	}
}

// remove takes a timer out of its queue. The hardware may still interrupt for it,
// which does no harm.
//
// Locks: q.mu held; not asserted: the callers have just taken it.
func (q *timerQueue) remove(t *Timer) {
	q.wheel.Remove(&t.node)
	t.armed = false
	if t.node.At()<<unitShift <= q.first.Load() {
		q.note()
	}
}

// maxExpired is the largest number of timers that expire in one interrupt, and
// maxMoved of those that move inside the wheel for one that expires. So other
// interrupts come in between, even if a program makes very many threads sleep until
// the same moment.
const (
	maxExpired = 24
	maxMoved   = 16
)

// expire sets off the timers that are due, with one critical section for each. A
// timer that makes a call has left the queue then, and its reference goes along. If
// some timers are left the caller arms the hardware for a time that has passed, and
// so comes back soon. f is the interrupted context.
func (q *timerQueue) expire(c *percpu.CPU, f *cpu.Frame, now clock.Time) {
	for n, more := 0, true; n < maxExpired && more; n++ {
		var t *Timer
		var does action
		woken := false
		q.mu.Lock(c)
		if t, more = q.takeDue(c, now); t != nil {
			does = t.does
			// A thread with a token can go on, end, and be freed, unless it was parked.
			// Then it is ready, and in no queue before enqueue puts it into one.
			woken = does == wakes && threadOf(t).leaveToken()
		}
		q.mu.Unlock(c)
		switch {
		case t == nil:
		case woken:
			enqueue(c, threadOf(t)) // without the lock: it takes that of a queue of threads
		case does == samples:
			upcall.To.Sample(c, f, uintptr(unsafe.Pointer(t)))
		case does == counts:
			counted.Add(1)
		case does == calls:
			upcall.To.TimerExpired(c, uintptr(unsafe.Pointer(t)))
		}
	}
}

// takeDue takes the earliest timer out if it is due, else it returns nil. It makes at most
// maxMoved steps; more says that there may be another timer that is due.
//
// Locks: q.mu held.
func (q *timerQueue) takeDue(c *percpu.CPU, now clock.Time) (t *Timer, more bool) {
	q.mu.AssertHeld(c)
	var n *wheel.Node
	more = true
	for i := 0; i < maxMoved && more && n == nil; i++ {
		n, more = q.wheel.Step(uint64(now) >> unitShift)
	}
	q.note()
	if n == nil {
		return nil, more
	}
	t = timerOf(n)
	t.armed = false
	return t, more
}

// moveBatch is how many timers move to another CPU with the locks held.
const moveBatch = 32

// MoveTimers moves timers of CPU from, which no longer runs threads or handles its timer,
// to CPU to, and reports whether there are more. Timers that sample a CPU end instead. An
// armed timer is in one of the two queues at any time, so a thread can withdraw it meanwhile.
//
// Context: interrupts off, no lock held. The caller repeats it until there are no more.
// Locks: takes the timers of both CPUs, those of the lower CPU first.
func MoveTimers(c, from, to *percpu.CPU) (more bool) {
	q := &local(to).timers
	more, earlier := moveTimers(c, &local(from).timers, q, from.ID < to.ID)
	switch {
	case !earlier:
	case to == c:
		local(c).program(q.earliest())
	default:
		ipi.Send(c, to, ipi.Timer) // it arms its hardware
	}
	return more
}

// moveTimers is MoveTimers for queues; fromFirst says that from's lock is taken first. earlier
// says that a timer came that is earlier than all in to were. Both times are read under the
// lock: before it, the first timer of to may expire, and its CPU arms the hardware for the next.
func moveTimers(c *percpu.CPU, from, to *timerQueue, fromFirst bool) (more, earlier bool) {
	first, second := from, to
	if !fromFirst {
		first, second = to, from
	}
	lock.LockPair(c, &first.mu, &second.mu)
	before := to.earliest()
	for range moveBatch {
		n := from.wheel.Any()
		if n == nil {
			break
		}
		t := timerOf(n)
		from.wheel.Remove(n)
		if t.does == samples {
			t.armed = false
			continue
		}
		to.add(t, n.At())
	}
	from.note()
	more, earlier = from.wheel.Any() != nil, to.earliest() < before
	second.mu.Unlock(c)
	first.mu.Unlock(c)
	return more, earlier
}
