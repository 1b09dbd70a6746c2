package clock

import (
	"muster/kernel/atom"
	"muster/kernel/percpu"
)

// The clock of last resort: the CPUs' time-stamp counters differ, and there is neither HPET nor ACPI PM timer. Each CPU
// reads its own counter and adds what it has learnt to be late by. One word has the latest time that any CPU has
// returned, and no CPU returns less.
//
// A reader loads that word *before* it reads its own counter. So what it finds there was read earlier, and a CPU
// whose own time is less is late by at least the difference, which it adds from then on. So each reading is a
// comparison as well: all CPUs come to agree with the one that is furthest ahead, whatever their counters say
// at first, and the clock runs on between the readings of the others. Nothing is added in excess, so the clock never runs ahead
// of that CPU's.
//
// The local APIC's timer would be no better: it is one-shot here, and no CPU can read another one's. All CPUs write one
// cache line at each reading. That is the price, on the few machines with such counters.
type heldClock struct {
	_    [56]byte
	last atom.Uint64 // the latest time that was returned; it only grows; the only word of its line
	_    [56]byte
}

var held heldClock

const (
	// notBegun is the ClockAdd of a CPU that has not read the clock yet: it begins with the latest time there is.
	notBegun = 1 << 63
	// heldTries bounds a reader's tries to note its time. When they fail, other CPUs have noted theirs.
	heldTries = 4
)

// read returns the time: CLOCK_MONOTONIC.
//
// Context: the core, on c, so the thread does not move meanwhile. An interrupt may read the clock in between.
func (h *heldClock) read(c *percpu.CPU) Time {
	last, add := h.last.Load(), c.ClockAdd.Load()
	own := uint64(page.clock(monotonic, readTSC()).time()) + c.ClockSkew.Load() // after the load of last
	mine := own + add
	if add == notBegun || int64(mine-last) < 0 {
		c.ClockAdd.CompareAndSwap(add, last-own) // unless an interrupt in between has done it
		return Time(last)
	}
	for range heldTries {
		if h.last.CompareAndSwap(last, mine) {
			return Time(mine)
		}
		if last = h.last.Load(); int64(mine-last) <= 0 {
			break
		}
	}
	return Time(last) // it was noted after this reading began, and nothing later has been returned before that
}

// Ahead notes that a CPU's counter is ahead by at least a span, for the case that it gets a part in the clock.
//
// Context: interrupts off, while the TSC is the clock.
func Ahead(c *percpu.CPU, by Time) { c.ClockAdd.Store(uint64(-by)) }

// Lead returns by how much a CPU's counter is ahead at most. It was read by a call of another CPU: since the call began, it
// has counted most ticks, and the caller's own, until the call ended, took. 0: the time of the call explains the difference.
func Lead(most, took uint64) Time {
	if most <= took {
		return 0
	}
	return Span(most)
}

// Joins prepares a CPU that has read no clock yet for one that is made of the CPUs' counters. Its time begins with
// that of this reading, so it does not matter how far its counter is ahead or late.
//
// Context: interrupts off, before the CPU joins; not the CPU itself.
func Joins(c *percpu.CPU) {
	if Clock() == Held {
		c.ClockAdd.Store(notBegun)
		Now()
	}
}
