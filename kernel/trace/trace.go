// Package trace keeps the last events of each CPU in a ring, 32 bytes for each
// event, so that a panic can print the events before it.
//
// Layer: core.
// Context: any, NMI too: a record's place is taken with one instruction, which no interrupt divides.
// Locks: none; each CPU writes its own ring.
// Chapter: docs/02-black-box.md.
package trace

import (
	"unsafe"

	"muster/kernel/atom"
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
	Fault          // page fault at A, in B what FaultAt makes of IP and error code
	Exception      // vector A at IP B, page faults left out
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

// on has a bit for each kind that is recorded.
var on uint32 = All - 1<<Syscall

// SetKinds says by a bit for each kind what is recorded, and returns what it was. CPUs that
// record meanwhile may still use the old kinds.
//
// Context: any, no lock: of two callers at once the later store counts.
//
//go:norace
func SetKinds(kinds uint32) (old uint32) {
	old, on = on, kinds
	for id := range percpu.Count() {
		if c := percpu.Get(id); c.Trace != 0 {
			c.TraceKinds = kinds
		}
	}
	return old
}

// Records reports whether CPUs record a kind.
func Records(k Kind) bool { return on&(1<<k) != 0 }

// Begin gives a CPU its ring, Bytes bytes of 0, so that it records from now on.
func Begin(c *percpu.CPU, ring uintptr) {
	c.Trace = ring
	c.TracePos = uint64(unsafe.Sizeof(slot{})) // a head with the number 0 is one that was never written
	c.TraceKinds = on
}

// Record is one event.
type Record struct {
	TSC    uint64
	Kind   Kind
	Thread uint32
	A, B   uint64
}

// place is the slot of record number seq.
func place(c *percpu.CPU, seq uint64) *slot {
	return (*slot)(unsafe.Pointer(c.Trace + uintptr((seq+1)%Len)*unsafe.Sizeof(slot{})))
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
	slotBytes   = 1 << slotShift
)

var _ [slotBytes]byte = [unsafe.Sizeof(slot{})]byte{}

// put records an event. It is a value, so that its arguments are in registers: an assembly
// function that is called by its name has them on the stack. trace_amd64.s sets it.
var put func(c *percpu.CPU, kind, a, b uint64)

// putAt is put with the counter value that the record gets.
var putAt func(c *percpu.CPU, kind, a, b, tsc uint64)

// Add records an event of this CPU, if its kind is on. An NMI between taking the place and storing the
// head records its own events in the places after it. With the kind off Add is two instructions, else 21
// besides what loads the arguments.
func Add(c *percpu.CPU, k Kind, a, b uint64) {
	if c.TraceKinds&(1<<k) != 0 {
		put(c, uint64(k)<<headKind, a, b)
	}
}

// AddAt is Add with a counter value that the caller has read after the last record of this CPU. An exception, or a flush while the
// caller waited for a lock, may have been recorded since: then that record has the later value, though it comes first.
func AddAt(c *percpu.CPU, k Kind, a, b, tsc uint64) {
	if c.TraceKinds&(1<<k) != 0 {
		putAt(c, uint64(k)<<headKind, a, b, tsc)
	}
}

// FaultAt packs what a record of kind Fault says besides the address: the error code, which
// has 16 bits, and the address of the instruction, which has 48 and a sign.
func FaultAt(ip, code uint64) uint64 { return ip<<16 | code&0xffff }

// FaultIP returns the address of the instruction that FaultAt has packed.
func FaultIP(b uint64) uint64 { return uint64(int64(b) >> 16) }

// FaultCode returns the error code that FaultAt has packed.
func FaultCode(b uint64) uint64 { return b & 0xffff }

// State is the result of Read.
type State uint8

// States of a record.
const (
	Complete  State = iota
	Gone            // overwritten, or never written
	Unwritten       // its place is taken, but not filled yet
)

// Next returns the number of the next record of a CPU, which is how many were begun.
func Next(c *percpu.CPU) uint64 { return max(position(c)>>slotShift, 1) - 1 }

func position(c *percpu.CPU) uint64 { return (*atom.Uint64)(unsafe.Pointer(&c.TracePos)).Load() }

// Read copies record number seq of a CPU into r, counted from 0 since the CPU's start.
// c may run and record meanwhile. A copy that c may have overwritten is dropped: before c
// overwrites a record it takes the place one turn of the ring later.
//
//go:norace
func Read(c *percpu.CPU, seq uint64, r *Record) State {
	if n := Next(c); c.Trace == 0 || seq >= n || n-seq > Len {
		return Gone
	}
	s := place(c, seq)
	head := s.head.Load()
	*r = Record{TSC: s.tsc, Kind: Kind(head >> headKind & (1<<(headSeq-headKind) - 1)), Thread: uint32(head), A: s.a, B: s.b}
	switch {
	case Next(c)-seq > Len:
		return Gone
	case head>>headSeq != (seq+1)&(1<<(64-headSeq)-1):
		return Unwritten
	}
	return Complete
}
