// Package trace keeps the last events of each CPU in a ring, 32 bytes an event,
// so that a panic can print what led up to it.
//
// Layer: core.
// Context: any, NMI too: a record's place is taken with one atomic add.
// Locks: none; each CPU writes its own ring.
// Chapter: docs/02-black-box.md.
package trace

import (
	"unsafe"

	"muster/kernel/cpu"
	"muster/kernel/percpu"
)

// Kind says what a record tells; its two words are as given here.
type Kind uint16

// Kinds of event.
const (
	None      Kind = iota
	Switch         // to thread A from thread B
	Wake           // thread A put on the queue of CPU B
	Interrupt      // vector A at IP B
	SendIPI        // vector A to CPU B, or to logical destination B less 1<<32
	Flush          // TLB flush number A done
	Fault          // page fault at A, error code B
	Exception      // vector A at IP B
	Signal         // signal A to thread B
	Syscall        // number A, result B; off but with trace=all
	Start          // CPU B reached stage A
	Exit           // thread A, status B
	Mark           // anything, for debugging
	kinds
)

var names = [kinds]string{"none", "switch", "wake", "interrupt", "ipi", "flush", "fault",
	"exception", "signal", "syscall", "start", "exit", "mark"}

// String names the kind.
func (k Kind) String() string {
	if k < kinds {
		return names[k]
	}
	return "unknown"
}

// Record is one event.
type Record struct {
	TSC    uint64
	Kind   Kind
	CPU    uint16
	Thread uint32
	A, B   uint64
}

// Len is the number of records in a ring, a power of two; Bytes is its size.
const (
	Len   = 512
	Bytes = Len * unsafe.Sizeof(Record{})
)

// On has a bit for each kind that is recorded.
var On uint32 = 1<<kinds - 1 - 1<<Syscall

// Add records an event of this CPU.
func Add(c *percpu.CPU, k Kind, a, b uint64) {
	if c.Trace == 0 || On>>k&1 == 0 {
		return
	}
	i := c.TracePos.Add(1) - 1
	r := (*Record)(unsafe.Pointer(c.Trace + uintptr(i%Len)*unsafe.Sizeof(Record{})))
	r.TSC = cpu.TSC()
	r.Kind = k
	r.CPU = uint16(c.ID)
	r.Thread = c.ThreadID
	r.A, r.B = a, b
}

// Last copies record number i, counted back from the newest, 0, into r. It
// reports false when the ring holds no such record. The copy can be torn when
// c runs meanwhile; a panic reads with all CPUs stopped.
func Last(c *percpu.CPU, i uint64, r *Record) bool {
	n := c.TracePos.Load()
	if c.Trace == 0 || i >= n || i >= Len {
		return false
	}
	*r = *(*Record)(unsafe.Pointer(c.Trace + uintptr((n-1-i)%Len)*unsafe.Sizeof(Record{})))
	return true
}
