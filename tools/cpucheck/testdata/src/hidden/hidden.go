// Package hidden has functions that switch, with and without telling.
//
// Layer: core.
package hidden

import (
	"muster/kernel/percpu"
	"muster/kernel/sched"
)

func noResult(c *percpu.CPU) { // want `noResult may switch threads in sched.Park, line 12, which its caller cannot see`
	c = sched.Park(c)
	c.Resched = 0
}

func otherResult(c *percpu.CPU) int { // want `otherResult may switch threads in sched.Leave`
	return sched.Leave(c)
}

func noParameter() *percpu.CPU { // want `noParameter may switch threads`
	return sched.Park(percpu.This())
}

func literal(c *percpu.CPU) *percpu.CPU {
	f := func() { // want `this function literal may switch threads`
		c = sched.Park(c)
	}
	f()
	return c
}

func byTable(c *percpu.CPU) int { // want `byTable may switch threads in sched.Syscall`
	return sched.To.Syscall(c)
}

//cpucheck:switches its callers read the block anew
func told(c *percpu.CPU) int { // want told:"switching"
	return sched.Leave(c)
}

var unmarked = told // want `told may switch threads, and is stored in a place whose calls do not show it`

//cpucheck:switches its callers read the block anew
var marked = told // want marked:"switching"

func byVariable(c *percpu.CPU) int { // want `byVariable may switch threads in hidden.marked`
	return marked(c)
}

func good(c *percpu.CPU) (*percpu.CPU, int) {
	n := told(c)
	return percpu.This(), n
}

func goodEnds(c *percpu.CPU) { // want goodEnds:"noReturn"
	c = sched.Park(c)
	sched.Ends(c)
}
