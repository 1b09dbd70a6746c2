package mem

import (
	"muster/kernel/cpu"
	"muster/kernel/percpu"
)

// What only hardware can do. Host tests and the explorer's models have their own.
var (
	// loadRoot makes a top table the current one, and drops all entries of the TLB but
	// the global ones.
	loadRoot = func(_ *percpu.CPU, root PhysAddr) { cpu.WriteCR3(uint64(root)) }
	// reload drops them and keeps the table.
	reload = func(*percpu.CPU) { cpu.WriteCR3(cpu.ReadCR3()) }
)

// flushOwn drops all entries of this CPU but the global ones. Those are the
// kernel's fixed mappings, which never change. A CPU that has a program's space
// loaded without need leaves it, and gets no further requests for that space.
func flushOwn(c *percpu.CPU) {
	if c.Lazy != 0 && c.Space != 0 {
		LeaveUser(c)
		return
	}
	reload(c)
}
