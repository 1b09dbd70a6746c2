package kcall

// Calls for tests and benchmarks of the kernel in itself.

import (
	"time"

	"muster/kernel/abi"
	"muster/kernel/cpu"
)

// Measure does an operation of the core, an abi.Measure, n times, up to 100, and returns
// how long it took in all, without its surroundings.
func Measure(kind, n int) (time.Duration, error) {
	ns, err := measure(kind, n)
	return time.Duration(ns), err
}

// IPIFaults makes IPIs fail: each drop-th is lost, each dup-th is sent twice, each is
// sent late by a delay; 0 for none.
func IPIFaults(drop, dup uint64, delay time.Duration) { ipiFaults(drop, dup, int64(delay)) }

// AuditCount returns how often a class of privileged operations was executed. ok is
// false when nobody counts: debug builds do.
func AuditCount(class cpu.Class) (n uint64, ok bool) {
	n, err := auditCount(int(class))
	return n, err == nil
}

// CrossCount returns the sum of the words of all abi.CallCounts that a CPU has run, 0 if
// there is no such CPU.
func CrossCount(cpu int) uint64 {
	n, err := crossCount(cpu)
	if err != nil {
		return 0
	}
	return n
}

// TryProtections has a CPU try its protections and read its control registers.
func TryProtections(cpu int) (*abi.Protections, error) {
	if err := prepareProtections(); err != nil {
		return nil, err
	}
	for _, f := range [2]uint64{abi.CallProtections, abi.CallControls} {
		if _, err := CrossCall(cpu, f, 0); err != nil {
			return nil, err
		}
	}
	return readProtections(cpu)
}
