// Package plain is no core package.
//
// Layer: service.
package plain

import (
	"muster/kernel/percpu"
	"muster/kernel/sched"
)

func dropped(c *percpu.CPU) { sched.Park(c) }
