//go:build explore

package mem

import "muster/kernel/percpu"

// flushOwn is what a model's CPUs have for a TLB.
var flushOwn func(c *percpu.CPU)
