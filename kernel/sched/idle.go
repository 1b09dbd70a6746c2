package sched

import (
	"unsafe"

	"muster/kernel/console"
	"muster/kernel/cpu"
	"muster/kernel/lock"
	"muster/kernel/mem"
	"muster/kernel/percpu"
	"muster/kernel/trap"
)

// PrepareCPU gives c a run queue in the zeroed memory at queue, and makes the code
// that will call Idle on [stackLow, stackTop) the thread t.
//
// Context: before c takes interrupts.
func PrepareCPU(c *percpu.CPU, queue uintptr, t *Thread, stackLow, stackTop uintptr) {
	t.Init(stackLow, stackTop, 0, ClassKernel, &mem.Kernel)
	copy(t.Name[:], "idle")
	t.state.Store(stRunning)
	t.cpu.Store(c.ID)
	q := (*runQueue)(unsafe.Pointer(queue))
	q.init(t)
	install(c, t)
	c.Lazy = 1
	c.Sched = queue // publishes the queue for other CPUs to steal from
}

// InitIdle gives the set of idle CPUs zeroed memory for n CPUs.
func InitIdle(memory uintptr, n uint32) { idle.Init(memory, n) }

// Idle runs threads, and halts while there are none. It does not return.
//
// Context: on the idle thread's stack, interrupts off.
func Idle(c *percpu.CPU) {
	trap.Restart(c)
	for {
		if next := look(c); next != nil {
			runFromIdle(c, next)
			continue
		}
		if c.ID == 0 {
			console.Resume(c) // the interrupts keep no thread waiting
		}
		trap.Wait(c)
	}
}

// look announces the CPU as idle and then looks at all queues. In this order, a
// waker that has not seen the announcement has queued its thread before this CPU
// looks.
func look(c *percpu.CPU) *Thread {
	idle.Set(c.ID)
	next := local(c).take(c, classes, false)
	if next == nil {
		next = steal(c)
	}
	if next != nil {
		idle.Clear(c.ID)
	}
	return next
}

// runFromIdle switches from the idle thread and returns when there is no thread
// left to run.
func runFromIdle(c *percpu.CPU, next *Thread) {
	lock.AssertNone(c)
	q := local(c)
	c.Resched = 0
	q.prev, q.how = q.idle, leaveIdle
	q.charge(q.idle)
	become(c, q, q.idle, next)
	switchTo(c, q.idle, next) //cpucheck:stays the idle thread never moves to another CPU
	finish(c)
}

// IdleTicks returns how long a CPU has been idle, in counter ticks, up to its last switch.
func IdleTicks(c *percpu.CPU) uint64 {
	if c.Sched == 0 {
		return 0
	}
	q := local(c)
	ticks := q.idle.Used.ticks.Load()
	if c.Current == uintptr(unsafe.Pointer(q.idle)) {
		ticks += cpu.TSC() - q.since
	}
	return ticks
}
