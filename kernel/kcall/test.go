package kcall

// Calls for tests and benchmarks of the kernel in itself.

import (
	"time"

	"muster/kernel/abi"
	"muster/kernel/cpu"
)

// Measure does an operation of the core, an abi.Measure, n times, up to 100, and
// returns how long the repetitions took, without the code around them.
func Measure(kind, n int) (time.Duration, error) {
	ns, err := measure(kind, n)
	return time.Duration(ns), err
}

// IPIFaults makes IPIs fail: one of every drop is lost, one of every dup is sent
// twice, each is sent late by a delay; 0 for none.
func IPIFaults(drop, dup uint64, delay time.Duration) { ipiFaults(drop, dup, int64(delay)) }

// AuditCount returns how often a class of privileged operations was executed. ok is
// false in builds that do not count them: debug builds do.
func AuditCount(class cpu.Class) (n uint64, ok bool) {
	n, err := auditCount(int(class))
	return n, err == nil
}

// CrossCount returns the sum of the words of all calls of abi.CallCount on a CPU, 0
// if there is no such CPU.
func CrossCount(cpu int) uint64 {
	n, err := crossCount(cpu)
	if err != nil {
		return 0
	}
	return n
}

// TryMitigations makes a CPU try its mitigations and read its control registers.
func TryMitigations(cpu int) (*abi.Mitigations, error) {
	if err := prepareMitigations(); err != nil {
		return nil, err
	}
	for _, f := range [2]uint64{abi.CallMitigations, abi.CallControls} {
		if _, err := CrossCall(cpu, f, 0); err != nil {
			return nil, err
		}
	}
	return readMitigations(cpu)
}
