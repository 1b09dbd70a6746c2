// Package ipi sends interrupts from CPU to CPU (IPIs). Each request is a bit in the
// target's pending word, CPU.Pending; the interrupt only makes the target read the
// word.
//
// A sender sets the bit, and sends the interrupt only if the bit was clear: if it
// was set, an IPI has been sent already. So at most one IPI of a kind is pending
// for a target, however many CPUs send, and the target handles as many interrupts
// as it can, not as many as are requested. The target takes the whole word before
// it acts, so a request that comes later sends a new IPI. An IPI that is lost
// leaves its bit set; the target's next tick, or any other IPI, finds the bit.
//
// Layer: core.
// Context: interrupts off.
// Locks: none.
// Manual: Intel SDM vol. 3A, "Issuing Interprocessor Interrupts" and "Determining
// IPI Destination".
// Chapter: docs/06-interrupts.md.
// Left out: the broadcast forms, which also reach CPUs that are not online.
package ipi

import (
	"muster/kernel/apic"
	"muster/kernel/lock"
	"muster/kernel/percpu"
	"muster/kernel/trace"
	"muster/kernel/vector"
)

// Kind is a request of one CPU to another: a bit number in CPU.Pending.
type Kind uint8

// Kinds, in the order in which a CPU answers them: first those for which the sender
// waits.
const (
	Flush      Kind = iota // flush the TLB: package mem
	Stop                   // halt without end: package crash
	Reschedule             // check the run queue: package sched
	Call                   // run the calls of other CPUs: package cross
	Timer                  // check the clock, because the timer may have failed: package sched
	Kinds
)

var names = [Kinds]string{"flush", "stop", "reschedule", "call", "timer"}

// String returns the kind's name.
func (k Kind) String() string {
	if k < Kinds {
		return names[k]
	}
	return "unknown"
}

// Vector returns the interrupt that carries the kind.
func (k Kind) Vector() uint8 { return vector.Flush + uint8(k) }

// The vectors of the kinds are consecutive.
var _ = [1]struct{}{}[vector.TimerIPI-vector.Flush-int(Kinds-1)]

// underLocks is the kinds that a CPU may send while it holds a lock. An IPI takes longer than most
// critical sections. But a space's areas stay locked until all CPUs have flushed a page that is
// taken away, and a panic comes under any lock.
const underLocks = 1<<Flush | 1<<Stop

// assertNone panics in debug builds if c holds a lock with which it may not send k.
func assertNone(c *percpu.CPU, k Kind) {
	if lock.Checked && underLocks>>k&1 == 0 {
		lock.AssertNone(c)
	}
}

// Send sends an IPI of kind k to a CPU.
//
// Context: c holds no lock, but with kinds of underLocks.
func Send(c, to *percpu.CPU, k Kind) {
	assertNone(c, k)
	if to.Pending.Or(1<<k)>>k&1 != 0 {
		stats(c)[k][merged]++
		return
	}
	transmit(c, to, k)
}

// Repeat is Send, but sends the interrupt even if the bit was set, because the IPI
// may have been lost.
func Repeat(c, to *percpu.CPU, k Kind) {
	assertNone(c, k)
	to.Pending.Or(1 << k)
	stats(c)[k][repeated]++
	transmit(c, to, k)
}

// SendSet sends an IPI of kind k to all CPUs of a set but c. CPUs that share a
// logical destination get one IPI together.
func SendSet(c *percpu.CPU, set *percpu.Mask, k Kind) { RequestSet(c, set, k, nil) }

// RequestSet is SendSet for a set that CPUs may leave meanwhile. It calls request for each
// CPU before the CPU's IPI is sent, so that no request is without its IPI. A CPU for which
// request returns false gets none.
func RequestSet(c *percpu.CPU, set *percpu.Mask, k Kind, request func(to *percpu.CPU) bool) {
	assertNone(c, k)
	var g group
	for id, ok := set.Next(0); ok; id, ok = set.Next(id + 1) {
		to := percpu.Get(id)
		if to == c {
			continue
		}
		if request != nil && !request(to) {
			continue
		}
		if to.Pending.Or(1<<k)>>k&1 != 0 {
			stats(c)[k][merged]++
			continue
		}
		if usePhysical || faults.on || to.Logical == 0 {
			transmit(c, to, k)
			continue
		}
		if g.n > 0 && !g.takes(to) {
			g.send(c, k)
		}
		g.add(to)
	}
	if g.n > 0 {
		g.send(c, k)
	}
}

// group gathers CPUs of one cluster: the upper half of a logical id names the
// cluster, the lower half has a bit for each of its members (Intel SDM vol. 3A,
// "Logical Destination Mode in x2APIC Mode").
type group struct {
	dest uint32
	n    uint32
	last *percpu.CPU
}

func (g *group) takes(to *percpu.CPU) bool { return g.dest>>16 == to.Logical>>16 }

func (g *group) add(to *percpu.CPU) {
	g.dest |= to.Logical
	g.last = to
	g.n++
}

// send sends to the members and empties the group.
func (g *group) send(c *percpu.CPU, k Kind) {
	if g.n == 1 {
		transmit(c, g.last, k)
	} else {
		trace.Add(c, trace.SendIPI, uint64(k.Vector()), 1<<32|uint64(g.dest))
		s := stats(c)
		s[k][sent]++
		s[k][grouped]++
		apic.SendLogical(c, g.dest, k.Vector())
	}
	*g = group{}
}

// usePhysical makes SendSet address each CPU by itself.
var usePhysical bool

// UsePhysical chooses physical destinations for IPIs to many CPUs.
//
// Context: boot CPU, while only the boot CPU is online.
func UsePhysical() { usePhysical = true }

// transmit sends the interrupt to one CPU.
func transmit(c, to *percpu.CPU, k Kind) {
	trace.Add(c, trace.SendIPI, uint64(k.Vector()), uint64(to.ID))
	s := stats(c)
	s[k][sent]++
	if faults.on && faulty(c, to, k) {
		s[k][lost]++
		return
	}
	apic.SendVector(c, to, k.Vector())
}
