package sched

import (
	"unsafe"

	"muster/kernel/abi"
	"muster/kernel/apic"
	"muster/kernel/console"
	"muster/kernel/cpu"
	"muster/kernel/lock"
	"muster/kernel/mem"
	"muster/kernel/percpu"
	"muster/kernel/trap"
	"muster/kernel/vector"
)

// PrepareCPU gives c a run queue in the zeroed memory at queue, and makes the code
// that will call Idle on [stackLow, stackTop) the thread t.
//
// Context: before c takes interrupts.
func PrepareCPU(c *percpu.CPU, queue uintptr, t *Thread, stackLow, stackTop uintptr) {
	t.Init(stackLow, stackTop, 0, ClassKernel, &mem.Kernel)
	t.level = levelIdle
	t.spans.left(noMark)
	copy(t.Name[:], "idle")
	t.runsOn(c)
	q := (*runQueue)(unsafe.Pointer(queue))
	q.init(t)
	install(c, t)
	q.closed = c.ID != 0 // until Open; the boot CPU runs threads at once
	c.BeLazy()
	c.Sched = queue // publishes the queue for other CPUs to steal from
}

// Open lets other CPUs put threads into c's queue.
//
// Context: on c, when nothing can keep it from calling Idle any more.
func Open(c *percpu.CPU) { local(c).setClosed(c, false) }

// InitIdle gives the set of idle CPUs zeroed memory for n CPUs.
func InitIdle(memory uintptr, n uint32) { idle.Init(memory, n) }

// Idle runs threads. While there are none, it clears pages ahead of time, and halts when there are enough. It returns when the CPU has to go
// offline, and has left its threads and timers to other CPUs.
//
// Context: on the idle thread's stack, interrupts off.
func Idle(c *percpu.CPU) {
	trap.Restart(c)
	cpu.LoadMXCSR(cpu.MXCSRDefault) // of all threads of the kernel that c runs: see changeSpace
	for q := local(c); ; {
		c.Resched = 0
		if c.Retick != 0 {
			c.Retick = 0
			q.sendKicks(c)
			q.retick(c) // the thread that comes next may run for long
		}
		if c.IsLeaving() {
			leave(c)
			return
		}
		if next := look(c); next != nil {
			runFromIdle(c, next)
			continue
		}
		for q.halt(c) {
		}
	}
}

// halt waits for an interrupt, or clears a page and lets interrupts in. It reports whether there is still no thread to look for.
// From its look on, this CPU is in the set of idle CPUs. A waker that has a thread for it
// takes it out of the set first, and a thread that waits in another queue is that CPU's to
// offer, at its next tick. So while this CPU is in the set, a look would find nothing.
//
// No interrupt is lost between the last check and the halt: interrupts are off since before
// the check, and STI lets the first one in after HLT has begun.
//
// Source: Intel SDM vol. 2B, "STI": the instruction after STI comes before an interrupt.
func (q *runQueue) halt(c *percpu.CPU) (again bool) {
	console.Resume(c) // the interrupts keep no thread waiting
	q.retick(c)
	if clearAhead(c) { // a page at a time: an interrupt waits no longer than that
		window(c)
		q.sendKicks(c)
		return q.stays(c)
	}
	halted(c)
	q.sendKicks(c)
	q.wakes[q.reason(c.WokenBy)]++
	return q.stays(c)
}

// stays reports whether an idle CPU that an interrupt has woken up may halt again.
func (q *runQueue) stays(c *percpu.CPU) bool {
	return c.Resched == 0 && q.count.Load() == 0 && idle.Has(c.ID) && !c.IsLeaving()
}

// wakeReason is why an idle CPU woke up.
type wakeReason uint8

const (
	wakeTick   wakeReason = iota
	wakeTimer             // a timer of a thread, of a program or of a profile
	wakeThread            // another CPU has a thread for this one
	wakeIPI               // another request of another CPU
	wakeDevice
	wakeReasons
)

// reason returns why this CPU has left its halt, by the vector of the interrupt.
func (q *runQueue) reason(by uint8) wakeReason {
	switch {
	case by == vector.Timer:
		return q.why
	case by == vector.Reschedule:
		return wakeThread
	case by >= vector.Flush && by <= vector.TimerIPI:
		return wakeIPI
	case by == vector.PIC && (shared || apic.Legacy()):
		return q.why
	}
	return wakeDevice
}

// Wakes returns how often a CPU has woken up from its halt, by reason.
func Wakes(c *percpu.CPU) (n [abi.WakeReasons]uint64) {
	if c.Sched != 0 {
		n = local(c).wakes
	}
	return n
}

var _ [abi.WakeReasons]struct{} = [wakeReasons]struct{}{}

// look announces the CPU as idle and then looks at all queues. In this order, a
// waker that has not seen the announcement has queued its thread before this CPU
// looks. One that has seen it may have claimed this CPU to make it steal, after this CPU
// has looked at the queue in question and found another thread. Then another idle CPU looks.
func look(c *percpu.CPU) *Thread {
	idle.Set(c.ID)
	next := local(c).next(c, local(c).idle, leaveIdle, counter())
	if next == nil {
		next = steal(c)
	}
	if next != nil && !idle.Clear(c.ID) {
		wakeIdle(c, c.ID)
	}
	return next
}

// runFromIdle switches from the idle thread and returns when there is no thread
// left to run.
func runFromIdle(c *percpu.CPU, next *Thread) {
	lock.AssertNone(c)
	q := local(c)
	q.prev, q.how = q.idle, leaveIdle
	q.chargeTo(q.idle, counter())
	become(c, q, q.idle, next)
	switchTo(c, q.idle, next) //cpucheck:stays the idle thread never moves to another CPU
	finish(c)
}

// isIdle reports whether the CPU of the queue, c, runs its idle thread.
func (q *runQueue) isIdle(c *percpu.CPU) bool { return c.Current == uintptr(unsafe.Pointer(q.idle)) }

// IdleTicks returns how long a CPU has been idle, in counter ticks, up to its last switch.
func IdleTicks(c *percpu.CPU) uint64 {
	if c.Sched == 0 {
		return 0
	}
	q := local(c)
	ticks := q.idle.Used.ticks.Load()
	if q.isIdle(c) {
		ticks += sinceCounted(q)
	}
	return ticks
}
