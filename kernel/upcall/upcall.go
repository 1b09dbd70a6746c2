// Package upcall is the one table of calls that go against the layers: from a lower
// core package to a higher one.
//
// Package start fills it in before anything can call. A lower layer that needs
// a service of a higher one names it here, so that all such calls can be read
// in one place.
//
// Layer: core.
// Context: as each entry says; all but Panic with interrupts off.
// Locks: none; written once on the boot CPU.
// Chapter: docs/00-map.md.
package upcall

import (
	"muster/kernel/cpu"
	"muster/kernel/percpu"
)

// Table is the set of upward calls.
type Table struct {
	// Panic stops all CPUs and reports; it does not return. The two numbers are
	// printed in hexadecimal behind the message. f is nil without a trap.
	// From anywhere; to package crash.
	Panic func(c *percpu.CPU, f *cpu.Frame, msg string, a, b uint64)

	// SpinPoll does what a CPU that spins with interrupts off still owes the
	// others: TLB flushes. From package lock; to package mem.
	SpinPoll func(c *percpu.CPU)

	// SendVector interrupts one CPU, SendLogical those of a logical destination.
	// From package ipi; to package apic.
	SendVector  func(c, to *percpu.CPU, vector uint8)
	SendLogical func(c *percpu.CPU, dest uint32, vector uint8)

	// SendNMI sends an NMI to one CPU. From package crash; to package apic.
	SendNMI func(c, to *percpu.CPU)

	// NMI answers an NMI: backtrace or stop. From package trap; to package crash.
	NMI func(c *percpu.CPU, f *cpu.Frame)

	// Syscall answers a SYSCALL and returns how to leave: trap.LeaveFast,
	// LeaveFrame, or the address of an XSAVE area to restore.
	// From package trap; to package linux.
	Syscall func(c *percpu.CPU, f *cpu.Frame) uintptr

	// Exception answers an exception outside the core: a page fault to resolve, a
	// signal to raise. xsave is the saved vector state. From package trap; to
	// package linux.
	Exception func(c *percpu.CPU, f *cpu.Frame, xsave uintptr) uintptr

	// CoreFault answers a page fault inside the core: at one of the functions
	// that touch user memory it resolves the fault or moves f.IP to their error
	// exit, and reports true. From package trap; to package linux.
	CoreFault func(c *percpu.CPU, f *cpu.Frame, addr uintptr) bool

	// Interrupt answers an external interrupt. From package trap; to package start.
	Interrupt func(c *percpu.CPU, f *cpu.Frame, vector uint8)

	// Leave does what is pending before an interrupt returns to a thread:
	// a switch, a signal. From package trap; to package linux.
	Leave func(c *percpu.CPU, f *cpu.Frame, xsave uintptr) uintptr

	// ThreadStart finishes the switch to a new thread and returns how to enter
	// it. From package trap; to package linux.
	ThreadStart func(c *percpu.CPU, f *cpu.Frame) uintptr

	// ThreadName returns where a thread's name is, which ends at the first zero.
	// From package crash; to package sched.
	ThreadName func(thread uintptr) *[16]byte

	// Reap frees a thread that has exited. From package sched; to package linux.
	Reap func(c *percpu.CPU, thread uintptr)

	// ConsoleSpace wakes threads that wait for room in the console's output
	// ring, and ConsoleInput those that wait for a key. From package console; to
	// package linux.
	ConsoleSpace func(c *percpu.CPU)
	ConsoleInput func(c *percpu.CPU)
}

// To is the table.
var To Table

// Panic is To.Panic without a frame.
func Panic(c *percpu.CPU, msg string, a, b uint64) { To.Panic(c, nil, msg, a, b) }
