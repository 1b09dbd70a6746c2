// Package upcall is the one table of calls that go against the layers: from a lower
// core package to a higher one.
//
// Package start fills in the table before any of its functions is called. A lower
// layer that needs a service of a higher one lists the service here, so that all
// such calls are in one place. Interrupts and IPIs do not use the table: their
// owners install handlers, see packages vector and ipi.
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

// Table is the set of upward calls, by the package that calls.
type Table struct {
	// Panic stops all CPUs and reports; it does not return. The two numbers are
	// printed in hexadecimal after the text. f is nil without a trap.
	// From anywhere; to package crash.
	//
	//cpucheck:noreturn package crash ends the machine
	Panic func(c *percpu.CPU, f *cpu.Frame, msg string, a, b uint64)

	// SpinPoll does the work that a CPU that spins with interrupts off must still
	// do for other CPUs: TLB flushes. From packages lock, crash and cross; to
	// package mem.
	SpinPoll func(c *percpu.CPU)

	// Stalled reports whether a wait of c may be too long because a virtual CPU stands
	// still: then the wait goes on. It takes a second, so the caller looks again for
	// what it waits for before it panics. With any lock held, interrupts off. From
	// packages lock, mem and cross; to package crash.
	Stalled func(c *percpu.CPU) bool

	// Readable reports whether a word of memory can be read without a page fault.
	// From package crash; to package mem.
	Readable func(addr uintptr) bool

	// StackBelow returns the name and the CPU of the stack whose guard page addr
	// lies in; "" for no such stack. From package crash; to package cpus.
	StackBelow func(addr uintptr) (name string, id uint32)

	// ThreadName returns the address of a thread's name, which ends at the first
	// zero. From package crash; to package sched.
	ThreadName func(thread uintptr) *[16]byte

	// Syscall answers a SYSCALL and returns how to return to the caller:
	// trap.LeaveFast, LeaveFrame, or the address of an XSAVE area to restore. From
	// package trap; to package linux.
	//
	//cpucheck:switches the entry stub goes on, and finds the block by GS
	Syscall func(c *percpu.CPU, f *cpu.Frame) uintptr

	// Exception handles an exception outside the core: it resolves a page fault or
	// raises a signal. xsave is the saved vector state. From package trap; to
	// package linux.
	//
	//cpucheck:switches the entry stub goes on, and finds the block by GS
	Exception func(c *percpu.CPU, f *cpu.Frame, xsave uintptr) uintptr

	// CoreFault handles a page fault inside the core. In a function that touches
	// user memory it resolves the fault or moves f.IP to the function's error exit,
	// and reports true. From package trap; to package linux.
	CoreFault func(c *percpu.CPU, f *cpu.Frame, addr uintptr) bool

	// Leave does what is pending before the core returns to the interrupted thread:
	// a switch to another thread, and that thread's work. how and the result are
	// ways to leave, as for Syscall. From package trap; to package sched.
	//
	//cpucheck:switches the entry stub goes on, and finds the block by GS
	Leave func(c *percpu.CPU, f *cpu.Frame, how uintptr) uintptr

	// ThreadStart finishes the switch to a new thread and returns how to enter
	// it. From package trap; to package sched.
	//
	//cpucheck:switches the entry stub goes on, and finds the block by GS
	ThreadStart func(c *percpu.CPU, f *cpu.Frame) uintptr

	// ThreadWork does what Thread.Work of the current thread requests, a signal or
	// the thread's end, and returns the CPU on which the thread goes on and how to
	// leave. From package sched; to package linux.
	ThreadWork func(c *percpu.CPU, f *cpu.Frame, how uintptr) (*percpu.CPU, uintptr)

	// TimerExpired does what a sched.Timer is for, and takes over the reference that
	// the timer's queue held. In an interrupt, no lock held. From package sched; to
	// package linux.
	TimerExpired func(c *percpu.CPU, timer uintptr)

	// Sample makes a CPU record what it executes, for a profile, and arms the timer again.
	// f is the interrupted context of c. In an interrupt, no lock held. From package
	// sched; to package profile.
	Sample func(c *percpu.CPU, f *cpu.Frame, timer uintptr)

	// Redraw wakes the thread that draws the text on the screen. In an interrupt, no lock
	// held. From package sched; to package linux.
	Redraw func(c *percpu.CPU)

	// Relieve makes memory come back, because a copy from or to memory of a program
	// finds none for a page, and reports whether the copy may use the kernel's
	// reserve meanwhile. From package mem; to package linux.
	Relieve func(c *percpu.CPU) bool

	// Reap frees a thread that has exited. From package sched; to package linux.
	Reap func(c *percpu.CPU, thread uintptr)
}

// To is the table.
var To Table

// Panic is To.Panic without a frame.
//
//cpucheck:recurses a panic within the panic ends the machine, so there are two at most
func Panic(c *percpu.CPU, msg string, a, b uint64) { To.Panic(c, nil, msg, a, b) }

// Stalled is To.Stalled, and false in host tests.
func Stalled(c *percpu.CPU) bool { return To.Stalled != nil && To.Stalled(c) }
