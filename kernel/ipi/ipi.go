// Package ipi sends messages from CPU to CPU. What a CPU is asked to do is a bit
// in its pending word, CPU.Pending; the interrupt only makes it look.
//
// A sender sets the bit and sends the interrupt, but only if the bit was clear:
// else a message is on its way already. So however many CPUs ask, one message of a
// kind is under way to a CPU, and it takes as many interrupts as it can answer, not
// as many as are sent. The target takes the whole word before it acts on it: a
// request that comes later sends again. A message that is lost leaves its bit
// behind; the target's next tick, or any other message, finds it.
//
// Layer: core.
// Context: interrupts off.
// Locks: none.
// Manual: Intel SDM vol. 3A, "Issuing Interprocessor Interrupts" and "Determining
// IPI Destination".
// Chapter: docs/06-interrupts.md.
// Left out: the broadcast forms, which reach CPUs that nobody has started.
package ipi

import (
	"muster/kernel/apic"
	"muster/kernel/percpu"
	"muster/kernel/trace"
	"muster/kernel/vector"
)

// Kind is what a message asks for: a bit number in CPU.Pending.
type Kind uint8

// Kinds, in the order in which a CPU answers them: first what others wait for.
const (
	Flush      Kind = iota // flush the TLB: package mem
	Stop                   // halt for good: package crash
	Reschedule             // look at the run queue: package sched
	Call                   // run what others call: package cross
	Timer                  // look at the clock, the timer may have failed: package sched
	Kinds
)

var names = [Kinds]string{"flush", "stop", "reschedule", "call", "timer"}

// String names the kind.
func (k Kind) String() string {
	if k < Kinds {
		return names[k]
	}
	return "unknown"
}

// Vector returns the interrupt that carries the kind.
func (k Kind) Vector() uint8 { return vector.Flush + uint8(k) }

// The vectors of the kinds lie one behind the other.
var _ = [1]struct{}{}[vector.TimerIPI-vector.Flush-int(Kinds-1)]

// Send asks a CPU for k.
func Send(c, to *percpu.CPU, k Kind) {
	if to.Pending.Or(1<<k)>>k&1 != 0 {
		stats(c)[k][merged]++
		return
	}
	transmit(c, to, k)
}

// Repeat asks a CPU for k and sends the message even if one should be on its way:
// it may have been lost.
func Repeat(c, to *percpu.CPU, k Kind) {
	to.Pending.Or(1 << k)
	stats(c)[k][repeated]++
	transmit(c, to, k)
}

// SendSet asks all CPUs of a set but c for k. CPUs that share a logical destination
// get one message.
func SendSet(c *percpu.CPU, set *percpu.Mask, k Kind) {
	var g group
	for id, ok := set.Next(0); ok; id, ok = set.Next(id + 1) {
		to := percpu.Get(id)
		if to == c {
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

// UsePhysical chooses physical destinations for messages to many.
//
// Context: boot CPU, while one CPU runs.
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
