//go:build !explore

package sched

import (
	"muster/kernel/cpu"
	"muster/kernel/mem"
	"muster/kernel/percpu"
	"muster/kernel/trap"
)

// parked leaves the current thread, which waits for a token. In models of other
// packages it is a wait of the CPU: see simulated.go. Threads that come back and park
// again, one after the other, do not add up to a long stretch: each opens a window.
func parked(c *percpu.CPU) *percpu.CPU {
	c = reschedule(c, leaveParked)
	window(c)
	return c
}

// switchTo leaves prev's stack for next's. It returns when a CPU goes on with prev: that
// CPU.
func switchTo(_ *percpu.CPU, prev, next *Thread) *percpu.CPU {
	return switchStack(&prev.sp, next.sp, next.g.FSBase())
}

// halted halts until an interrupt has been handled.
func halted(c *percpu.CPU) { trap.Wait(c) }

// clearAhead clears a page for later, and reports whether one was needed.
func clearAhead(c *percpu.CPU) bool { return mem.ClearAhead(c) }

// window opens a window for interrupts.
func window(c *percpu.CPU) { trap.Window(c) }

// counter returns the counter that measures the time of threads.
func counter() uint64 { return cpu.TSC() }
