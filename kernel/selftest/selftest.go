// Package selftest answers the private system calls for tests and benchmarks: it
// breaks the core on purpose, measures its operations, and tries its mitigations.
// No other package uses it but start, which installs it.
//
// Layer: core.
// Context: on the calling thread's kernel stack, interrupts off, no lock held; the
// functions for package cross on the CPU that is called. One test at a time.
// Locks: none but those that a test takes on purpose.
// Chapter: docs/12-shell-and-tests.md.
package selftest

import (
	"unsafe"

	"muster/kernel/abi"
	"muster/kernel/apic"
	"muster/kernel/clock"
	"muster/kernel/console"
	"muster/kernel/cpu"
	"muster/kernel/cpus"
	"muster/kernel/cross"
	"muster/kernel/ipi"
	"muster/kernel/linux"
	"muster/kernel/mem"
	"muster/kernel/percpu"
	"muster/kernel/sched"
	"muster/kernel/trap"
	"muster/kernel/vector"
)

// Install makes package linux dispatch the calls of this package, and registers its
// functions with package cross, and with package trap for the faults that it
// provokes.
//
// Context: boot CPU, before the runtime starts.
func Install() {
	linux.HandlePrivate(abi.FirstTest, calls[:])
	cross.Handle(abi.CallNop, func(*percpu.CPU, uint64) {})
	cross.Handle(abi.CallCount, func(c *percpu.CPU, word uint64) { c.Called.Add(word) })
	cross.Handle(abi.CallSequence, checkSequence)
	cross.Handle(abi.CallControls, readControls)
	cross.Handle(abi.CallMitigations, probeMitigations)
	cross.Handle(abi.CallSpin, spin)
	cross.Handle(abi.CallBlocks, blocks)
	trap.HandleUnresolved(provoked)
}

// testIPI makes the next CPU that is online flush its TLB. If no other CPU is online,
// this one sends itself an IPI.
func testIPI(c *percpu.CPU, _ *linux.Task) (*percpu.CPU, uint64) {
	id, ok := cpus.Online.Next(c.ID + 1)
	if !ok {
		id, _ = cpus.Online.Next(0)
	}
	if id != c.ID {
		mem.FlushOne(c, percpu.Get(id))
		return c, 0
	}
	if apic.Legacy() {
		return c, linux.Fail(linux.ENODEV)
	}
	flushes := &cpus.VectorCounts(c.ID)[vector.Flush]
	before := *flushes
	ipi.Send(c, c, ipi.Flush)
	for end := clock.After(clock.Millisecond); *flushes == before; {
		trap.Window(c)
		if end.Passed() {
			return c, linux.Fail(linux.ETIMEDOUT)
		}
	}
	return c, 0
}

func ipiFaults(c *percpu.CPU, _ *linux.Task, drop, dup uint64, delayNS int64) (*percpu.CPU, uint64) {
	ipi.SetFaults(drop, dup, clock.Time(delayNS))
	sched.KeepTicking(sched.ByFaults, drop != 0)
	return c, 0
}

func auditCount(c *percpu.CPU, _ *linux.Task, class int) (*percpu.CPU, uint64) {
	if !cpu.Audited || class < 0 || class >= int(cpu.Classes) {
		return c, linux.Fail(linux.EINVAL)
	}
	return c, cpu.AuditCount(cpu.Class(class))
}

func pin(c *percpu.CPU, _ *linux.Task, cpu int) (*percpu.CPU, uint64) {
	if cpu == abi.AnyCPU {
		sched.Unpin(c)
		return c, 0
	}
	to := percpu.Find(cpu)
	if to == nil || !cpus.Online.Has(to.ID) {
		return c, linux.Fail(linux.ENODEV)
	}
	return sched.Pin(c, to.ID), 0
}

// callLimit is how long a CPU may take until it begins a call, times the scale of
// all deadlines.
const callLimit = clock.Second

func crossCall(c *percpu.CPU, _ *linux.Task, cpu int, function, word uint64) (*percpu.CPU, uint64) {
	if !cross.Valid(function) {
		return c, linux.Fail(linux.EINVAL)
	}
	set := &cpus.Online
	var one percpu.Mask
	var words [percpu.Max / 64]uint64
	if cpu != abi.AllCPUs {
		n := percpu.Count()
		if uint64(cpu) >= uint64(n) {
			return c, linux.Fail(linux.EINVAL)
		}
		if !cpus.Online.Has(uint32(cpu)) {
			return c, linux.Fail(linux.ENODEV)
		}
		one.Init(uintptr(unsafe.Pointer(&words)), n)
		one.Set(uint32(cpu))
		set = &one
	}
	if missing := cross.Call(c, set, cross.Func(function), word, callLimit); missing != cross.Silent {
		var l console.Line
		console.Warn(c, l.Str("cross: cpu").Dec(uint64(missing)).Str(" did not answer a call within ").Dec(clock.Scale()).Str(" s"))
		return c, linux.Fail(linux.ETIMEDOUT)
	}
	return c, uint64(c.ID)
}

func crossCount(c *percpu.CPU, _ *linux.Task, cpu int) (*percpu.CPU, uint64) {
	o := percpu.Find(cpu)
	if o == nil {
		return c, linux.Fail(linux.EINVAL)
	}
	return c, o.Called.Load()
}
