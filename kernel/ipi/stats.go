package ipi

import (
	"unsafe"

	"muster/kernel/percpu"
)

// Counter is something that can happen to an IPI.
type Counter uint8

// Counters of the sender, and then of the target.
const (
	sent     Counter = iota // interrupts sent
	merged                  // not sent: the bit was set already
	grouped                 // of those sent, to a logical destination
	repeated                // of those sent, repetitions
	lost                    // of those sent, by an injected fault
	received                // interrupts received
	stray                   // of them, without their bit in the pending word
	deferred                // left for the tick, by the rate limit
	Counters
)

var counterNames = [Counters]string{"sent", "merged", "grouped", "repeated", "lost", "received", "stray", "deferred"}

// String returns the counter's name.
func (n Counter) String() string {
	if n < Counters {
		return counterNames[n]
	}
	return "unknown"
}

// Stats counts the IPIs of one CPU. Only that CPU writes it; other CPUs may read
// numbers that are about to change.
type Stats [Kinds][Counters]uint64

// StatsBytes is the memory that a CPU's counters need.
const StatsBytes = unsafe.Sizeof(Stats{})

// none takes the counts of CPUs that have no counters yet. Its numbers are not
// read.
var none Stats

// stats returns c's counters.
func stats(c *percpu.CPU) *Stats {
	if c.IPI == 0 {
		return &none
	}
	return (*Stats)(unsafe.Pointer(c.IPI))
}

// Read returns a counter of a CPU.
func Read(c *percpu.CPU, k Kind, n Counter) uint64 { return stats(c)[k][n] }
