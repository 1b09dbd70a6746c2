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
	"muster/kernel/atom"
	"muster/kernel/clock"
	"muster/kernel/percpu"
	"muster/kernel/trace"
	"muster/kernel/upcall"
)

// Kind is what a message asks for: a bit number in CPU.Pending.
type Kind uint8

// Kinds.
const (
	Reschedule Kind = iota // look at the run queue: package sched
	Call                   // run what others call: package cross
	Flush                  // flush the TLB: package mem
	Timer                  // look at the clock, the timer may have failed: package sched
	Stop                   // halt for good: package crash
	Kinds
)

var names = [Kinds]string{"reschedule", "call", "flush", "timer", "stop"}

// String names the kind.
func (k Kind) String() string {
	if k < Kinds {
		return names[k]
	}
	return "unknown"
}

// Vectors are the interrupts that carry the kinds; package start sets them.
var Vectors [Kinds]uint8

// Send asks a CPU for k.
func Send(c, to *percpu.CPU, k Kind) {
	if to.Pending.Or(1<<k)>>k&1 != 0 {
		stats(c).note(merged, k)
		return
	}
	transmit(c, to, k)
}

// Repeat asks a CPU for k and sends the message even if one should be on its way:
// it may have been lost.
func Repeat(c, to *percpu.CPU, k Kind) {
	to.Pending.Or(1 << k)
	stats(c).note(repeated, k)
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
			stats(c).note(merged, k)
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
		trace.Add(c, trace.SendIPI, uint64(Vectors[k]), 1<<32|uint64(g.dest))
		s := stats(c)
		s.note(sent, k)
		s.note(grouped, k)
		upcall.To.SendLogical(c, g.dest, Vectors[k])
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
	trace.Add(c, trace.SendIPI, uint64(Vectors[k]), uint64(to.ID))
	s := stats(c)
	s.note(sent, k)
	if faults.on && faulty(c, to, k) {
		s.note(lost, k)
		return
	}
	upcall.To.SendVector(c, to, Vectors[k])
}

// Take returns what c is asked for and clears its pending word. k is the kind of
// the message that came: it is counted as stray if the word does not have it, as
// when another message's handler was faster, or when nobody asked.
//
// Context: the message's interrupt; or a tick, with k Kinds.
func Take(c *percpu.CPU, k Kind) (asked uint32) {
	asked = c.Pending.Swap(0) // before the caller acts: who asks later sends again
	if k < Kinds {
		s := stats(c)
		s.note(received, k)
		if asked>>k&1 == 0 {
			s.note(stray, k)
		}
	}
	return asked
}

// TakeOne takes k alone out of c's pending word and reports whether it was there:
// for a CPU that spins with interrupts off.
func TakeOne(c *percpu.CPU, k Kind) bool {
	return c.Pending.Load()>>k&1 != 0 && c.Pending.And(^uint32(1<<k))>>k&1 != 0
}

// PutBack leaves k for the next tick: c has no time for it now. Nobody sends
// another message meanwhile.
func PutBack(c *percpu.CPU, k Kind) {
	stats(c).note(deferred, k)
	c.Pending.Or(1 << k)
}

// faults is what goes wrong with messages on request, to find out who relies on them.
var faults struct {
	on        bool
	drop, dup uint64 // each so-many-th, 0 none
	delay     clock.Time
	count     atom.Uint64
}

// SetFaults makes each so-many-th message be lost, or sent twice, and each wait.
//
// Context: while one CPU runs.
func SetFaults(drop, dup uint64, delay clock.Time) {
	faults.drop, faults.dup, faults.delay = drop, dup, delay
	faults.on = drop|dup|uint64(delay) != 0
}

// faulty reports whether a message is to be lost; it sends one more if it is to be doubled.
func faulty(c, to *percpu.CPU, k Kind) (lost bool) {
	n := faults.count.Add(1)
	if faults.delay != 0 {
		clock.Spin(faults.delay)
	}
	if faults.dup != 0 && n%faults.dup == 0 {
		upcall.To.SendVector(c, to, Vectors[k])
	}
	return faults.drop != 0 && n%faults.drop == 0
}
