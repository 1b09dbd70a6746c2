//go:build explore

package sched

import (
	"unsafe"

	"muster/kernel/atom"
	"muster/kernel/percpu"
)

// In models of other packages each CPU has one thread, its current one. A thread that
// parks makes its CPU wait for the token. What happens between the token and the
// switch of stacks has models of its own in this package.

func parked(c *percpu.CPU) *percpu.CPU {
	atom.Pause()
	return c
}

// switched is what a model of this package does at a switch of stacks.
var switched func(c *percpu.CPU, prev, next *Thread) *percpu.CPU

func switchTo(c *percpu.CPU, prev, next *Thread) *percpu.CPU { return switched(c, prev, next) }

// What a test of this package does in a window, nil for nothing, and while an idle CPU halts.
var opened, waited func(c *percpu.CPU)

// dirty is how many pages an idle CPU of a test clears before it halts.
var dirty int

func clearAhead(*percpu.CPU) bool {
	if dirty == 0 {
		return false
	}
	dirty--
	return true
}

func window(c *percpu.CPU) {
	if opened != nil {
		opened(c)
	}
}

func halted(c *percpu.CPU) { waited(c) }

// modelQueue is of all CPUs of models in other packages, and is never changed. Its time is
// counted up to a moment that does not come, so no CPU time passes there.
var modelQueue runQueue

// ModelQueue gives a CPU a queue, so that the CPU time of its thread can be read.
func ModelQueue(c *percpu.CPU) {
	modelQueue.since.Store(1<<63 - 1)
	c.Sched = uintptr(unsafe.Pointer(&modelQueue))
}

// modelCounter is the time in models: it stands still, so that each run can be repeated.
var modelCounter uint64

func counter() uint64 { return modelCounter }
