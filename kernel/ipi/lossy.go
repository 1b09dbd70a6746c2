package ipi

import (
	"muster/kernel/apic"
	"muster/kernel/atom"
	"muster/kernel/clock"
	"muster/kernel/percpu"
)

// faults is the injected faults of IPIs. They show which code relies on an IPI that
// may fail.
var faults struct {
	on        bool
	drop, dup uint64 // one of every drop, or dup, IPIs; 0 for none
	delay     clock.Time
	count     atom.Uint64
}

// SetFaults makes one of every drop IPIs be lost, one of every dup be sent twice,
// and each be late.
//
// Context: while only the boot CPU is online.
func SetFaults(drop, dup uint64, delay clock.Time) {
	faults.drop, faults.dup, faults.delay = drop, dup, delay
	faults.on = drop|dup|uint64(delay) != 0
}

// faulty reports whether an IPI is to be lost; it sends one more if the IPI is to
// be doubled.
func faulty(c, to *percpu.CPU, k Kind) (lost bool) {
	n := faults.count.Add(1)
	if faults.delay != 0 {
		clock.Spin(faults.delay)
	}
	if faults.dup != 0 && n%faults.dup == 0 {
		apic.SendVector(c, to, k.Vector())
	}
	return faults.drop != 0 && n%faults.drop == 0
}
