package sched

import (
	"muster/kernel/clock"
	"muster/kernel/percpu"
)

// Park and Unpark exchange a token. Unpark leaves it; Park takes it, and stops the
// thread while there is none. So their order does not matter, and a thread that
// waits for a condition writes:
//
//	for !condition() { c = sched.Park(c) }
//
// A thread that parks is seen as parked only after its registers are saved. Until
// then an Unpark leaves the token alone, and the CPU that has left the thread's
// stack looks for the token.

// Park stops the current thread until there is a token, and takes it.
//
// Context: no lock held. The thread may go on on another CPU, the result.
func Park(c *percpu.CPU) *percpu.CPU {
	t := Current(c)
	for !t.takeToken() {
		c = parked(c)
	}
	return c
}

// Unpark leaves t a token, and makes it ready if it is parked.
//
// Context: t cannot be freed: the caller holds a lock that its exit takes. The IPI to its CPU,
// if it needs one, is sent later: see later.go.
// Locks: takes a run queue's.
func Unpark(c *percpu.CPU, t *Thread) {
	if t.leaveToken() {
		enqueue(c, t)
	}
}

// Prepare is the half of Unpark that runs under the lock that keeps t from exiting: it
// leaves t a token. If it reports true, t was parked. Then t is ready and in no queue, so it
// cannot run, and the caller calls Ready once it has released the lock. So the lock is held
// for less time than with Unpark.
func Prepare(t *Thread) (ready bool) { return t.leaveToken() }

// Ready makes a thread run for which Prepare has reported true.
//
// Locks: takes a run queue's.
func Ready(c *percpu.CPU, t *Thread) { enqueue(c, t) }

// Woken is threads for which Prepare has reported true, in the order of Add.
type Woken struct{ first, last *Thread }

// Prepare is Prepare for a thread that Ready makes run later.
func (w *Woken) Prepare(t *Thread) {
	if !t.leaveToken() {
		return
	}
	t.woken = nil
	if w.first == nil {
		w.first = t
	} else {
		w.last.woken = t
	}
	w.last = t
}

// Ready makes the threads run. The set is empty then.
//
// Context: no lock held that another CPU may want urgently.
// Locks: takes a run queue's, one after the other.
func (w *Woken) Ready(c *percpu.CPU) {
	for t := w.first; t != nil; {
		next := t.woken // before t runs
		enqueue(c, t)
		t = next
	}
	*w = Woken{}
}

// Start makes a new thread ready to run on a CPU. Until then Unpark leaves a token
// alone: a signal may find the thread by its id while the thread is being made.
//
// Context: nothing has started t.
// Locks: takes a run queue's.
func Start(c *percpu.CPU, t *Thread, cpu uint32) {
	t.cpu.Store(cpu)
	t.spans.left(counter()) // from here on it waits
	t.state.Store(stReady)
	enqueue(c, t)
}

// takeToken takes the token and reports whether there was one.
func (t *Thread) takeToken() bool {
	return t.token.Load() != 0 && t.token.Swap(0) != 0
}

// leaveToken leaves a token and reports whether the caller must enqueue t.
func (t *Thread) leaveToken() bool {
	t.token.Store(1)
	if t.state.Load() != stParked || !t.state.CompareAndSwap(stParked, stReady) {
		return false
	}
	t.spans.woke(counter())
	return true
}

// nowParked marks t, whose registers are saved, as parked, and reports whether the
// caller must enqueue t because a token came meanwhile. This function and
// leaveToken write and read token and state in opposite orders, so at least one of
// the two sees the other's write, and the swap lets only one enqueue t.
func (t *Thread) nowParked() bool {
	t.state.Store(stParked)
	return t.token.Load() != 0 && t.state.CompareAndSwap(stParked, stReady)
}

// ParkUntil is Park with a deadline; expired says that the deadline came before a
// token.
//
// Context: as Park.
func ParkUntil(c *percpu.CPU, deadline clock.Time) (next *percpu.CPU, expired bool) {
	t := Current(c)
	if t.takeToken() {
		return c, false
	}
	if deadline == clock.Never {
		for c = parked(c); !t.takeToken(); {
			c = parked(c)
		}
		return c, false
	}
	t.arm(c, deadline)
	for c = parked(c); !t.takeToken(); {
		c = parked(c)
	}
	return c, !t.disarm(c)
}
