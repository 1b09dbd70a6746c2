package ipi

import (
	"math/bits"

	"muster/kernel/apic"
	"muster/kernel/cpu"
	"muster/kernel/percpu"
	"muster/kernel/vector"
)

// The target's side.

// handlers answer the kinds. Their number is a power of two, which saves the check
// of the index.
var handlers [8]Handler

// Handler answers the requests of a kind: a type of its own, because a kind's handler is
// called by the vectors' handler, and never the other way round.
//
// Context: as vector.Handler.
type Handler func(c *percpu.CPU, f *cpu.Frame)

var _ [len(handlers) - int(Kinds)]struct{} // there is one for each kind

// onReschedule makes the core check the run queue before it returns to a thread:
// another CPU has put a thread there. It is here, not in package sched, so that
// onIPI needs no call.
func onReschedule(c *percpu.CPU, _ *cpu.Frame) { c.Resched = 1 }

// Handle installs the function that answers a kind. Each kind has one owner.
//
// Context: boot CPU, before the second CPU starts.
func Handle(k Kind, h Handler) { handlers[k] = h }

// Install makes this package handle the vectors of the kinds.
//
// Context: boot CPU, before it enables interrupts.
func Install() {
	Handle(Reschedule, onReschedule)
	for k := range Kinds {
		vector.Handle(k.Vector(), onIPI)
	}
}

// onIPI handles an IPI: it answers all requests of the pending word, for any of the
// vectors. Reschedule alone, by far the most frequent, is answered here.
func onIPI(c *percpu.CPU, f *cpu.Frame) {
	apic.EOI()
	k := Kind(f.Vector - vector.Flush)
	switch requests := Take(c, k); requests {
	case 1 << Reschedule:
		c.Resched = 1
	case 1 << k: // there is no other request
		handlers[int(k)%len(handlers)](c, f)
	default:
		Answer(c, f, requests)
	}
}

// Answer answers the requests of a pending word that was taken. f is the
// interrupted context.
//
// Context: interrupts off, after EOI.
func Answer(c *percpu.CPU, f *cpu.Frame, requests uint32) {
	for requests != 0 {
		k := bits.TrailingZeros32(requests) % len(handlers)
		requests &= requests - 1
		handlers[k](c, f)
	}
}

// Take returns the requests to c and clears its pending word. k is the kind of the
// IPI that came: it is counted as stray if the word does not have it, because
// another IPI's handler has taken it already or no CPU has sent it.
//
// Context: the IPI's interrupt; or a tick, with k Kinds.
func Take(c *percpu.CPU, k Kind) (requests uint32) {
	requests = c.Pending.Swap(0) // before the caller acts: a CPU that sets a bit later sends again
	if k < Kinds {
		s := stats(c)
		s[k][received]++
		if requests>>k&1 == 0 {
			s[k][stray]++
		}
	}
	return requests
}

// TakeOne takes k alone out of c's pending word and reports whether it was there.
// It is for a CPU that spins with interrupts off.
func TakeOne(c *percpu.CPU, k Kind) bool {
	return c.Pending.Load()>>k&1 != 0 && c.Pending.And(^uint32(1<<k))>>k&1 != 0
}

// PutBack leaves k for the next tick, because c has no time for it now. No CPU
// sends another IPI of that kind meanwhile.
func PutBack(c *percpu.CPU, k Kind) {
	stats(c)[k][deferred]++
	c.Pending.Or(1 << k)
}
