package sched

import (
	"unsafe"

	"muster/kernel/cpu"
	"muster/kernel/lock"
	"muster/kernel/percpu"
	"muster/kernel/trace"
	"muster/kernel/upcall"
)

// leaving is what happens to the thread that a switch leaves.
type leaving uint8

const (
	leaveReady   leaving = iota // another one comes first; keeps its place in its queue
	leaveYield                  // lets its equals run first
	leaveSettled                // as leaveReady, but first it takes the level that was set for it
	leaveParked                 // waits for a token
	leaveMoved                  // may not run here any more
	leaveDead                   // is freed
	leaveIdle                   // the idle thread: nothing
)

// isReady reports whether the thread can go on at once.
func (how leaving) isReady() bool { return how <= leaveSettled }

// sched_amd64.s sets these values.
var (
	// switchStack saves BP and the stack pointer at save, and goes on with the thread whose stack pointer
	// is sp and whose FS base is fs. It returns in that thread, with the block of the CPU.
	//
	//cpucheck:switches it returns the block, but has none among its arguments
	switchStack func(save *uintptr, sp, fs uintptr) *percpu.CPU

	// saveState saves what a thread of a program has in the CPU: its vector state and its GS base. It clears the
	// selectors, or the next program could read them. loadState is the way back, and swapState does both.
	saveState, loadState func(t *Thread)
	swapState            func(prev, next *Thread)
)

// Yield lets other threads run first: those that come before the current one, and its equals.
//
// Context: no lock held. Returns the CPU on which the thread goes on.
func Yield(c *percpu.CPU) *percpu.CPU {
	c.Resched = 0
	return reschedule(c, leaveYield)
}

// giveWay lets a thread run that comes before the current one, if there is one. At the end of a turn
// that can be an equal.
//
// Context: no lock held. Returns the CPU on which the thread goes on.
func giveWay(c *percpu.CPU) *percpu.CPU {
	c.Resched = 0
	q := local(c)
	how := leaveReady
	switch t := Current(c); {
	case !t.isSettled():
		how = leaveSettled
	case q.expired && t.turns:
		how = leaveYield
	}
	q.expired = false
	return reschedule(c, how)
}

// Exit ends the current thread; upcall.To.Reap frees it. It does not return.
func Exit(c *percpu.CPU) {
	Current(c).state.Store(stDead)
	c = reschedule(c, leaveDead)
	upcall.Panic(c, "sched: a dead thread ran", 0, 0)
}

// Pin makes the current thread run on the CPU with a number alone, from now on. It
// is for tests of a certain CPU.
//
// Context: no lock held; the CPU is online. Returns the CPU on which the thread
// goes on: that one.
func Pin(c *percpu.CPU, cpu uint32) *percpu.CPU {
	t := Current(c)
	t.bindTo(c, boundTo+cpu)
	if cpu == c.ID {
		return c
	}
	return reschedule(c, leaveMoved)
}

// Unpin lets the current thread run anywhere again.
func Unpin(c *percpu.CPU) { Current(c).bindTo(c, boundNowhere) }

// reschedule gives the CPU to the next thread.
func reschedule(c *percpu.CPU, how leaving) *percpu.CPU {
	lock.AssertNone(c)
	q := local(c)
	q.sendKicks(c)
	prev := Current(c)
	if how <= leaveYield && q.count.Load() == 0 && !c.IsLeaving() {
		return c
	}
	var next *Thread
	now := counter()
	if c.IsLeaving() {
		q.vacate(c, prev, how, now)
		next = q.idle
	} else {
		next = q.next(c, prev, how, now)
	}
	if next == nil {
		if how.isReady() {
			return c
		}
		if next = steal(c); next == nil {
			next = q.idle
		}
	}
	if next == prev {
		upcall.Panic(c, "sched: thread queued while it runs", uint64(prev.ID), 0)
	}
	q.prev, q.how = prev, how
	q.chargeThread(prev, now)
	prev.spans.left(now)
	become(c, q, prev, next)
	c = switchTo(c, prev, next)
	finish(c)
	return c
}

// become makes next the current thread of c: all but its stack.
func become(c *percpu.CPU, q *runQueue, prev, next *Thread) {
	now := q.since.Load()
	trace.AddAt(c, trace.Switch, uint64(next.ID), uint64(prev.ID), now)
	prev.UserFS = c.UserFS
	install(c, next)
	switch {
	case prev.Space != next.Space:
		changeSpace(c, prev, next)
	case next.Space.User():
		swapState(prev, next)
	}
	q.sampled = now
	next.spans.claimed(now)
	if g := uintptr(unsafe.Pointer(next.Group)); g != q.group.Load() {
		q.group.Store(g)
		if g != 0 && q.account.group.Load() != g {
			q.account.turnTo(c, g)
		}
	}
	next.runsOn(c)
	if q.ticking.Load() == 0 {
		q.beginTick(c, next)
	}
	next.Switches.Count(1)
	c.Switches.Count(1)
}

// changeSpace is the part of a switch that threads of one space do not need: a thread of a program that runs has
// its space loaded, and one of the kernel has made the CPU lazy. Among the kernel's threads MXCSR stays, too.
//
//go:noinline
func changeSpace(c *percpu.CPU, prev, next *Thread) {
	switch from, to := prev.Space.User(), next.Space.User(); {
	case from && to:
		swapState(prev, next)
	case from:
		saveState(prev)
		cpu.LoadMXCSR(cpu.MXCSRDefault)
	case to:
		loadState(next)
	}
	next.Space.Enter(c) // makes c lazy for a thread of the kernel
}

// beginTick makes c, which does not tick, do so if the thread that runs now has a limit, or if another thread waits: a
// waker that found this CPU idle has only kicked it, however many threads came. The look is
// after the stores of runsOn, so LimitThread sees them, or the look sees its limit.
//
// Context: q is c's queue.
//
//go:noinline
func (q *runQueue) beginTick(c *percpu.CPU, t *Thread) {
	if q.count.Load() > 0 || t.limited() {
		q.startTick(c)
	}
}

// runsOn says that t runs on c: first where, so that no reader of runner takes the CPU that
// ran t before for the one that runs it.
func (t *Thread) runsOn(c *percpu.CPU) {
	t.cpu.Publish(c.ID)
	t.state.Store(stRunning) // not Publish: beginTick looks at other words next
}

// runner returns the CPU that runs t, nil if none does: first whether, and then where. Both may
// be over when it returns.
func (t *Thread) runner() *percpu.CPU {
	if t.state.Load() != stRunning {
		return nil
	}
	return percpu.Get(t.cpu.Load())
}

// x87Leak says that XRSTOR may leave the x87 pointers of the thread before.
var x87Leak bool

// HideX87Pointers makes each switch to a program clear the x87 pointers, or not, as
// Features.X87Leak says.
//
// Context: boot CPU.
func HideX87Pointers(leak bool) { x87Leak = leak }

// X87Leak returns what HideX87Pointers has set.
func X87Leak() bool { return x87Leak }

// install puts a thread's entry state into the CPU block.
func install(c *percpu.CPU, t *Thread) {
	c.Current = uintptr(unsafe.Pointer(t))
	c.ThreadID = t.ID
	c.StackTop, c.StackLow = t.StackTop, t.StackLow
	c.KernelG, c.KernelFS = t.g.Addr(), t.g.FSBase()
	c.UserFS = t.UserFS
}

// finish does what could not be done before the old thread's stack was left. Most often it only says that the
// thread is parked.
func finish(c *percpu.CPU) {
	if q := local(c); q.how != leaveParked || q.prev.nowParked() {
		finishReady(c, q)
	}
}

// finishReady is finish for a thread that did not park, or that got a token meanwhile. Then it sends the IPIs.
func finishReady(c *percpu.CPU, q *runQueue) {
	prev := q.prev
	switch q.how {
	case leaveReady, leaveYield, leaveSettled:
		prev.state.Publish(stReady)
		if q.how == leaveReady {
			q.did[preempted]++
		}
		requeue(c, q, prev, q.how)
	case leaveParked:
		enqueue(c, prev)
	case leaveMoved:
		prev.state.Store(stReady)
		enqueue(c, prev)
	case leaveDead:
		upcall.To.Reap(c, uintptr(unsafe.Pointer(prev)))
	}
	q.sendKicks(c)
}

// requeue puts a thread that was preempted here, or gave way, back into its queue, and offers it
// to an idle CPU.
func requeue(c *percpu.CPU, q *runQueue, t *Thread, how leaving) {
	short := t.isShort() // once it is in the queue, it may run elsewhere, end and be freed
	if !q.putBack(c, t, how) {
		enqueue(c, t)
		return
	}
	if q.ticking.Load() == 0 { // after the thread was put into the queue: see plan
		q.startTick(c)
	}
	if short && q.looks.Load() == 0 && q.running.Load() == levelFair {
		q.look()
	}
	if !idle.IsEmpty() {
		offer(c, q)
	}
}

// Breathe opens a window for interrupts in a long operation, and lets another
// thread run if one is due.
//
// Context: no lock held. Returns the CPU on which the thread goes on.
func Breathe(c *percpu.CPU) *percpu.CPU {
	window(c)
	if c.MustLook() {
		c = resched(c)
		window(c) // threads that come back one after the other do not add up to a long stretch
	}
	return c
}
