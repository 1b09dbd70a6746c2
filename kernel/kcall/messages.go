package kcall

// Calls of other CPUs, and what becomes of messages.

import (
	"time"
	"unsafe"

	"muster/kernel/abi"
	"muster/kernel/crash"
	"muster/kernel/cross"
	"muster/kernel/ipi"
)

// AllCPUs stands for all CPUs in Call.
const AllCPUs = -1

// Functions for Call.
const (
	CallNop      = uint64(cross.Nop)
	CallCount    = uint64(cross.Count)
	CallSequence = uint64(cross.Sequence)
	callControls = uint64(cross.Controls)
	callGuards   = uint64(cross.Guards)
)

// Call runs a core function on a CPU that runs, or on all, and returns which CPU
// made the call. The error is ETIMEDOUT if one did not answer; the log names it.
func Call(n int, function, word uint64) (from int, err error) {
	caller, err := quick(abi.CrossCall, uintptr(n), uintptr(function), uintptr(word), 0)
	return int(caller), err
}

// CallCounted returns the sum of the words of all CallCounts that a CPU has run.
func CallCounted(cpu int) uint64 {
	n, _ := quick(abi.CrossCount, uintptr(cpu), 0, 0, 0)
	return uint64(n)
}

// IPIFaults makes each so-many-th message between CPUs be lost or doubled, and
// each late: for tests.
func IPIFaults(drop, dup uint64, delay time.Duration) {
	quick(abi.IPIFaults, uintptr(drop), uintptr(dup), uintptr(delay), 0)
}

// IPIRules chooses physical destinations for messages to many CPUs, and how much of a
// CPU's time, in percent, others' calls may take.
func IPIRules(physical bool, share int) error {
	p := uintptr(0)
	if physical {
		p = 1
	}
	_, err := quick(abi.IPIRules, p, uintptr(share), 0, 0)
	return err
}

// IPICount returns how often something has happened to messages of a kind on a CPU.
func IPICount(cpu int, k ipi.Kind, n ipi.Counter) uint64 {
	v, err := quick(abi.IPICount, uintptr(cpu), uintptr(k), uintptr(n), 0)
	if err != nil {
		return 0
	}
	return uint64(v)
}

// Anywhere, for Pin, ends it.
const Anywhere = -1

// Pin makes the calling thread run on one CPU alone. The caller has locked its
// goroutine to the thread.
func Pin(cpu int) error {
	_, err := blocking(abi.Pin, uintptr(cpu), 0, 0, 0)
	return err
}

// Backtrace asks another CPU by NMI where it is.
func Backtrace(cpu int) (*crash.Trace, error) {
	t := new(crash.Trace)
	_, err := quick(abi.Backtrace, uintptr(cpu), uintptr(unsafe.Pointer(t)), 0, 0)
	return t, err
}

// Protections is what a CPU said of its protections: error codes of page faults, with
// bit 63 set, or 0 where there was none; and control registers.
type Protections struct {
	FetchOff, FetchOn uint64 // a fetch from a user page, without SMEP and with
	LoadOff, LoadOn   uint64 // a load from a user page, without SMAP and with
	FetchData         uint64 // a fetch from data
	StoreText         uint64 // a store to text
	CR0, CR4, XCR0    uint64
	EFER, PAT, Star   uint64
	LStar, FMask      uint64
	Spec, APICBase    uint64 // IA32_SPEC_CTRL; IA32_APIC_BASE without the boot CPU's bit
}

var _ [16 * 8]byte = [unsafe.Sizeof(Protections{})]byte{}

// TryProtections has a CPU try its protections and read its control registers.
func TryProtections(cpu int) (*Protections, error) {
	for _, f := range [2]uint64{callGuards, callControls} {
		if _, err := Call(cpu, f, 0); err != nil {
			return nil, err
		}
	}
	p := new(Protections)
	_, err := quick(abi.Protections, uintptr(cpu), uintptr(unsafe.Pointer(p)), 0, 0)
	return p, err
}

// BeginSequences makes room for the numbers of CallSequence.
func BeginSequences() error {
	_, err := blocking(abi.Sequences, abi.SequenceBegin, 0, 0, 0)
	return err
}

// LastSequence returns the last number that a CPU had from a caller.
func LastSequence(cpu, caller int) uint32 {
	n, _ := quick(abi.Sequences, abi.SequenceLast, uintptr(cpu), uintptr(caller), 0)
	return uint32(n)
}

// EndSequences frees the room and returns how many calls came out of order.
func EndSequences() uint64 {
	n, _ := blocking(abi.Sequences, abi.SequenceEnd, 0, 0, 0)
	return uint64(n)
}
