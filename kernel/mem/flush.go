//go:build !explore

package mem

import (
	"muster/kernel/cpu"
	"muster/kernel/percpu"
)

// flushOwn drops all entries of this CPU but the global ones. Those are the
// kernel's fixed mappings, which never change. A CPU that has a program's space
// loaded without need leaves it, and gets no further requests for that space.
func flushOwn(c *percpu.CPU) {
	if c.Lazy != 0 && c.Space != 0 {
		LeaveUser(c)
		return
	}
	cpu.WriteCR3(cpu.ReadCR3())
}
