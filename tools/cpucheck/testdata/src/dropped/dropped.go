// Package dropped drops the CPU that a call returned, and does not.
//
// Layer: core.
package dropped

import (
	"muster/kernel/percpu"
	"muster/kernel/sched"
)

func statement(c *percpu.CPU) *percpu.CPU {
	sched.Park(c) // want `the CPU that sched.Park returns is dropped`
	return percpu.This()
}

func blank(c *percpu.CPU) *percpu.CPU {
	_ = sched.Park(c) // want `the CPU that sched.Park returns is dropped`
	return percpu.This()
}

func blankTuple(c *percpu.CPU) (*percpu.CPU, bool) {
	_, expired := sched.ParkUntil(c, 1) // want `the CPU that sched.ParkUntil returns is dropped`
	return percpu.This(), expired
}

func unread(c *percpu.CPU) *percpu.CPU {
	c = sched.Park(c) // want `the CPU that sched.Park returns is dropped`
	c = percpu.This()
	return c
}

func deferred(c *percpu.CPU) *percpu.CPU {
	defer sched.Park(c) // want `the CPU that sched.Park returns is dropped` `the result is stale`
	return percpu.This()
}

func good(c *percpu.CPU) (*percpu.CPU, bool) {
	c = sched.Park(c)
	c, _ = sched.ParkUntil(c, 1) // the other result may be dropped
	return sched.ParkUntil(c, 2)
}

func goodOneBranch(c *percpu.CPU, n int) *percpu.CPU {
	d := sched.Park(c)
	if n == 0 {
		return percpu.This()
	}
	return d
}
