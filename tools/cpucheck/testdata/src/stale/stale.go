// Package stale has uses of the old CPU, and code that looks like it.
//
// Layer: core.
package stale

import (
	"muster/kernel/percpu"
	"muster/kernel/sched"
)

func use(c *percpu.CPU) {}

func direct(c *percpu.CPU) *percpu.CPU {
	d := sched.Park(c)
	use(c)   // want `c is stale: sched.Park, line 14, may have switched threads`
	c.ID = 1 // want `c is stale`
	return d
}

func returned(c *percpu.CPU) (*percpu.CPU, uint64) {
	d := sched.Park(c)
	if d.ID == 0 {
		return c, 1 // want `c is stale`
	}
	return d, 0
}

func shadowed(c *percpu.CPU) *percpu.CPU {
	if c.Resched != 0 {
		c, expired := sched.ParkUntil(c, 1)
		_, _ = c.ID, expired
	}
	return c // want `c is stale: sched.ParkUntil`
}

func copied(c *percpu.CPU) *percpu.CPU {
	old := c
	c = sched.Park(c)
	use(old) // want `c is stale`
	return c
}

func oneBranch(c *percpu.CPU, wait bool) *percpu.CPU {
	d := c
	if wait {
		d = sched.Park(c)
	}
	use(c) // want `c is stale`
	return d
}

func inSwitch(c *percpu.CPU, n int) *percpu.CPU {
	d := c
	switch n {
	case 0:
		use(c)
	case 1:
		d = sched.Park(c)
		fallthrough
	case 2:
		use(c) // want `c is stale`
	default:
		use(c)
	}
	return d
}

func aroundLoop(c *percpu.CPU, n int) *percpu.CPU {
	d := c
	for range n {
		use(c) // want `c is stale`
		d = sched.Park(d)
	}
	return d
}

func joined(c *percpu.CPU, wait bool) *percpu.CPU {
	d := c
	if wait {
		e := sched.Park(c)
		use(e)
	}
	return d // want `c is stale`
}

func deferred(c *percpu.CPU) *percpu.CPU {
	defer use(c) // want `c is stale`
	return sched.Park(c)
}

func captured(c *percpu.CPU) *percpu.CPU {
	d := c
	f := func() { use(d) }
	e := sched.Park(c)
	f() // want `a function literal's d is stale`
	d = e
	f()
	return d
}

func queue(c *percpu.CPU) *percpu.CPU {
	q := sched.Local(c)
	q.N++
	c = sched.Park(c)
	q.N-- // want `this address in a CPU's block is stale`
	return c
}

func fieldAddress(c *percpu.CPU) *percpu.CPU {
	p := &c.Resched
	c = sched.Park(c)
	*p = 1 // want `this address in a CPU's block is stale`
	return c
}

func callback(c *percpu.CPU, breathe func(*percpu.CPU) *percpu.CPU) *percpu.CPU {
	d := breathe(c)
	use(c) // want `c is stale: breathe,`
	return d
}

type handler func(c *percpu.CPU, n uint64) (*percpu.CPU, uint64)

var handlers [2]handler

func table(c *percpu.CPU, n int) (*percpu.CPU, uint64) {
	_, r := handlers[n](c, 1) // want `the CPU that a function value returns is dropped`
	return c, r               // want `c is stale: a function value,`
}

func twoCPUs(c, to *percpu.CPU) *percpu.CPU {
	d := move(c, to)
	use(to)
	use(c) // want `c is stale: stale.move,`
	return d
}

func move(c, to *percpu.CPU) *percpu.CPU { return sched.Park(c) }

func this(*percpu.CPU) *percpu.CPU {
	c := percpu.This()
	d := sched.Park(c)
	use(c) // want `this \*percpu.CPU is stale`
	return d
}

func marked(c *percpu.CPU) *percpu.CPU {
	sched.To.Syscall(c)
	use(c) // want `c is stale: sched.Syscall`
	return percpu.This()
}

// What follows is right.

func good(c *percpu.CPU, n int) *percpu.CPU {
	for range n {
		c = sched.Park(c)
		use(c)
	}
	return c
}

func goodTuple(c *percpu.CPU) (*percpu.CPU, bool) {
	for {
		var expired bool
		if c, expired = sched.ParkUntil(c, 1); expired {
			return c, true
		}
		use(c)
	}
}

func goodTail(c *percpu.CPU) (*percpu.CPU, uint64) { return sched.Park(c), 0 }

func goodBranch(c *percpu.CPU, wait bool) *percpu.CPU {
	if wait {
		return sched.Park(c)
	}
	use(c)
	return c
}

func goodThread(c *percpu.CPU) *percpu.CPU {
	t := sched.Current(c) // moves with the thread
	top := c.StackTop
	next := sched.Local(c).Next
	c = sched.Park(c)
	t.ID++
	next.ID++
	_ = top
	return c
}

func goodQueue(c, to *percpu.CPU) *percpu.CPU {
	q := sched.Local(to) // of another CPU
	c = sched.Park(c)
	q.N++
	sched.Local(c).N++
	return c
}

func goodOther(c *percpu.CPU) *percpu.CPU {
	v := sched.Neighbour(c)
	use(c)
	c = sched.Park(c)
	use(v)
	return c
}

func goodPanic(c *percpu.CPU, bad bool) *percpu.CPU {
	d := c
	if bad {
		d = sched.Park(c)
		sched.To.Panic(d)
	}
	use(c)
	return d
}

func goodEnd(c *percpu.CPU, last bool) {
	if last {
		sched.Ends(c)
	}
	use(c)
}

func goodCaptured(c *percpu.CPU) *percpu.CPU {
	f := func() { use(c) }
	c = sched.Park(c)
	f()
	return c
}

func goodDeferred(c *percpu.CPU) (d *percpu.CPU) {
	defer func() { use(d) }()
	d = sched.Park(c)
	return d
}

func goodStays(c *percpu.CPU) {
	sched.Park(c) //cpucheck:stays the idle thread never moves
	use(c)
	//cpucheck:stays a comment above says it of the next line
	sched.Park(c)
	use(c)
}
