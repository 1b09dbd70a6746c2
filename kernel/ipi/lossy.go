package ipi

import (
	"muster/kernel/apic"
	"muster/kernel/atom"
	"muster/kernel/clock"
	"muster/kernel/percpu"
)

// faults is what goes wrong with messages on request, to find out who relies on them.
var faults struct {
	on        bool
	drop, dup uint64 // each so-many-th, 0 none
	delay     clock.Time
	count     atom.Uint64
}

// SetFaults makes each so-many-th message be lost, or sent twice, and each wait.
//
// Context: while one CPU runs.
func SetFaults(drop, dup uint64, delay clock.Time) {
	faults.drop, faults.dup, faults.delay = drop, dup, delay
	faults.on = drop|dup|uint64(delay) != 0
}

// faulty reports whether a message is to be lost; it sends one more if it is to be doubled.
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
