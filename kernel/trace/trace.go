// Package trace keeps the last events of each CPU in a ring, 32 bytes for each
// event, so that a panic can print the events before it.
//
// Layer: core.
// Context: any, NMI too: a record's place is taken with one atomic add.
// Locks: none; each CPU writes its own ring.
// Chapter: docs/02-black-box.md.
package trace

import (
	"unsafe"

	"muster/kernel/atom"
	"muster/kernel/cpu"
	"muster/kernel/percpu"
)

// Kind is the kind of a record; its comment says what the two words are.
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
	Syscall        // number A, result B; off except with trace=all
	Start          // CPU B reached stage A
	Exit           // thread A, status B
	Mark           // any values, for debugging
	kinds
)

var names = [kinds]string{"none", "switch", "wake", "interrupt", "ipi", "flush", "fault",
	"exception", "signal", "syscall", "start", "exit", "mark"}

// String returns the kind's name.
func (k Kind) String() string {
	if k < kinds {
		return names[k]
	}
	return "unknown"
}

// slot is a place in a ring. The writer stores head last, so a head with the sequence
// number that a reader looks for says that the other words are complete.
type slot struct {
	tsc  uint64
	head atom.Uint64 // the thread, bits 31:0; the kind from bit 32; from bit 39 the sequence number plus 1, as a new ring is zero
	a, b uint64
}

const (
	headKind = 32
	headSeq  = 39
)

// The kind has room between the thread and the sequence number.
var _ [1<<(headSeq-headKind) - uint(kinds)]byte

// Len is the number of records in a ring, a power of two; Bytes is its size.
const (
	Len   = 512
	Bytes = Len * unsafe.Sizeof(slot{})
)

// All has a bit for each kind.
const All = 1<<kinds - 1

// On has a bit for each kind that is recorded.
var On uint32 = All - 1<<Syscall

// SetKinds sets On, and returns what it was. CPUs that record meanwhile may still use the
// old one.
//
// Context: any, no lock: of two callers at once the later store counts.
//
//go:norace
func SetKinds(kinds uint32) (old uint32) {
	old, On = On, kinds
	return old
}

// Record is one event.
type Record struct {
	TSC    uint64
	Kind   Kind
	Thread uint32
	A, B   uint64
}

func place(c *percpu.CPU, seq uint64) *slot {
	return (*slot)(unsafe.Pointer(c.Trace + uintptr(seq%Len)*unsafe.Sizeof(slot{})))
}

// Values for the assembly.
const (
	offTrace    = unsafe.Offsetof(percpu.CPU{}.Trace)
	offTracePos = unsafe.Offsetof(percpu.CPU{}.TracePos)
	offThreadID = unsafe.Offsetof(percpu.CPU{}.ThreadID)
	slotTSC     = unsafe.Offsetof(slot{}.tsc)
	slotHead    = unsafe.Offsetof(slot{}.head)
	slotA       = unsafe.Offsetof(slot{}.a)
	slotB       = unsafe.Offsetof(slot{}.b)
	slotShift   = 5
)

var _ [1 << slotShift]byte = [unsafe.Sizeof(slot{})]byte{}

// Interrupted records an event of the kind Interrupt, as Add does: a vector and the address
// of the interrupted instruction.
//
//go:noescape
func Interrupted(c *percpu.CPU, vector, ip uint64)

// Add records an event of this CPU. An NMI between taking the place and storing the
// head records its own events in the places after it.
//
// The race detector is off: Read finds out by itself whether it read what Add writes.
//
//go:norace
func Add(c *percpu.CPU, k Kind, a, b uint64) {
	if c.Trace == 0 || On>>k&1 == 0 {
		return
	}
	n := c.TracePos.Add(1) // pairs with the second Load in Read
	s := place(c, n-1)
	s.tsc = cpu.TSC()
	s.a, s.b = a, b
	s.head.Store(uint64(c.ThreadID) | uint64(k)<<headKind | n<<headSeq) // pairs with the Load in Read
}

// State is the result of Read.
type State uint8

// States of a record.
const (
	Complete  State = iota
	Gone            // overwritten, or never written
	Unwritten       // its place is taken, but not filled yet
)

// Next returns the number of the next record of a CPU, which is how many were begun.
func Next(c *percpu.CPU) uint64 { return c.TracePos.Load() }

// Read copies record number seq of a CPU into r, counted from 0 since the CPU's start.
// c may run and record meanwhile. A copy that c may have overwritten is dropped: before c
// overwrites a record it takes the place one turn of the ring later.
//
//go:norace
func Read(c *percpu.CPU, seq uint64, r *Record) State {
	if n := c.TracePos.Load(); c.Trace == 0 || seq >= n || n-seq > Len {
		return Gone
	}
	s := place(c, seq)
	head := s.head.Load()
	*r = Record{TSC: s.tsc, Kind: Kind(head >> headKind & (1<<(headSeq-headKind) - 1)), Thread: uint32(head), A: s.a, B: s.b}
	switch {
	case c.TracePos.Load()-seq > Len:
		return Gone
	case head>>headSeq != (seq+1)&(1<<(64-headSeq)-1):
		return Unwritten
	}
	return Complete
}
