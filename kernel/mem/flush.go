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
	// invalidate drops the entries of one page.
	invalidate = func(_ *percpu.CPU, va uintptr) { cpu.InvalidatePage(va) }
)

// flushOwn drops entries of this CPU's TLB; everything is all but the global ones, which are
// the kernel's fixed mappings and never change. A CPU that has a program's space loaded
// without need leaves it, and gets no further requests for that space.
func flushOwn(c *percpu.CPU, what pages) {
	switch {
	case c.Lazy.Load() != 0 && c.Space != 0:
		LeaveUser(c)
	case what == everything:
		reload(c)
	default:
		what.invalidate(c)
	}
}
