package selftest

import (
	"muster/kernel/abi"
	"muster/kernel/apic"
	"muster/kernel/cpus"
	"muster/kernel/linux"
	"muster/kernel/percpu"
	"muster/kernel/trap"
	"muster/kernel/vector"
)

// In selftest_amd64.s.
func undefined()
func breakpoint()
func doubleFault()
func singleStep()
func spurious()

// raise makes this CPU take an exception or interrupt of the core. It returns 0 if the
// vector was counted, and nothing is left in service: the kernel goes on.
func raise(c *percpu.CPU, kind int) (*percpu.CPU, uint64) {
	v := uint64(0)
	switch kind {
	case abi.CrashUndefined:
		undefined()
	case abi.CrashProtection:
		probeLoad(1 << 62)
	case abi.CrashBreakpoint:
		breakpoint()
	case abi.CrashDouble:
		doubleFault()
	case abi.CrashStep:
		v = vector.Debug
	case abi.CrashSpurious:
		v = vector.Spurious
	case abi.CrashAPIC:
		v = vector.Error
	case abi.CrashUnclaimed:
		v = 0xe1
	}
	counts := cpus.VectorCounts(c.ID)
	before := counts[v]
	switch v {
	case vector.Debug:
		singleStep()
	case vector.Spurious:
		spurious() // by INT: one that comes by an IPI is in service, and a spurious one is not
	default:
		if apic.Legacy() {
			return c, linux.Fail(linux.ENODEV)
		}
		apic.SendVector(c, c, uint8(v))
		trap.Window(c)
	}
	if counts[v] != before+1 || apic.InService() {
		return c, linux.Fail(linux.EIO)
	}
	return c, 0
}
