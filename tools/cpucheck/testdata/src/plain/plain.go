// Package plain is not a core package.
//
// Layer: service.
package plain

import (
	"muster/kernel/percpu"
	"muster/kernel/sched"
)

func dropped(c *percpu.CPU) { sched.Park(c) }
