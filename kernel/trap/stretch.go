package trap

import (
	"unsafe"

	"muster/kernel/clock"
	"muster/kernel/cpu"
	"muster/kernel/crash"
	"muster/kernel/lock"
	"muster/kernel/percpu"
	"muster/kernel/upcall"
)

// A stretch is the time from one point at which a CPU takes interrupts to the next: the
// code between must be short, however many objects a program has. Debug builds measure
// every stretch. It begins at an entry to the core or at the end of a window, and ends at
// the exit or at the next window. A switch of threads does not end it.

// stretchLimit is the longest stretch that is not a panic, in ticks of the counter; 0 for
// no limit.
var stretchLimit uint64

// origins has, for each CPU, where its stretch began: the callers of the window, or
// zeros for an entry. Only debug builds touch it.
var origins [percpu.Max]crash.Callers

// worst has, for each CPU, both ends of its longest stretch.
var worst [percpu.Max]struct{ from, to crash.Callers }

// SetStretchLimit makes a stretch that is longer than a time a panic, in debug builds; 0
// for no limit.
//
// Context: boot CPU, with the clock calibrated, before the runtime starts.
func SetStretchLimit(limit clock.Time) { stretchLimit = clock.Ticks(limit) }

// Enter records the start of a stretch, and checks that the CPU's block is valid, in
// debug builds.
func Enter(c *percpu.CPU, f *cpu.Frame) {
	if lock.Checked {
		if !percpu.Valid(c) {
			upcall.To.Panic(c, f, "trap: not a CPU's block; address, number", uint64(uintptr(unsafe.Pointer(c))), uint64(c.ID))
		}
		c.Entered = cpu.TSC()
		c.EnteredAt = f.Vector<<32 | f.AX&0xffffffff
		origins[c.ID] = crash.Callers{}
	}
}

// Left records the end of a stretch, in debug builds.
func Left(c *percpu.CPU) {
	if lock.Checked {
		left(c, crash.Callers{})
	}
}

// Restart begins a stretch anew, in debug builds: at the end of the boot, and after a
// window.
func Restart(c *percpu.CPU) {
	if lock.Checked {
		origins[c.ID] = crash.CallersOf(c)
		c.Entered = cpu.TSC()
	}
}

// left compares a stretch that ends with the longest one and with the limit.
func left(c *percpu.CPU, to crash.Callers) {
	d := cpu.TSC() - c.Entered
	if clock.Hz() == 0 {
		return
	}
	if d > c.Longest {
		c.Longest = d
		c.LongestAt = c.EnteredAt
		worst[c.ID].from, worst[c.ID].to = origins[c.ID], to
	}
	if stretchLimit != 0 && d > stretchLimit {
		crash.Stretch(c, uint64(clock.Span(d)), c.EnteredAt, origins[c.ID], to)
	}
}

// Longest returns where a CPU's longest stretch began and ended, in debug builds. Zeros
// stand for an entry and an exit.
func Longest(c *percpu.CPU) (from, to crash.Callers) { return worst[c.ID].from, worst[c.ID].to }

// Wait halts until an interrupt has been handled.
//
// Context: interrupts off, no lock held; handlers run on this stack.
func Wait(c *percpu.CPU) {
	lock.AssertNone(c)
	if lock.Checked {
		left(c, crash.CallersOf(c))
	}
	cpu.Wait()
	Restart(c)
}

// Window lets pending interrupts be handled.
//
// Context: interrupts off, no lock held; handlers run on this stack.
func Window(c *percpu.CPU) {
	lock.AssertNone(c)
	if lock.Checked {
		left(c, crash.CallersOf(c))
	}
	cpu.Window()
	Restart(c)
}
