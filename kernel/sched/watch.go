package sched

import (
	"muster/kernel/apic"
	"muster/kernel/clock"
	"muster/kernel/console"
	"muster/kernel/cpu"
	"muster/kernel/ipi"
	"muster/kernel/percpu"
	"muster/kernel/upcall"
)

// The watchdog: at its tick each CPU checks whether the next CPU has ticked since.
// A CPU that has not ticked gets a timer IPI, which makes it do the work of its
// timer. A busy CPU may have a reason not to answer, a long stretch with interrupts
// off, and gets more time than an idle one, which has no such reason.
//
// Time is counted in the watching CPU's own ticks: when a host stops the whole
// machine for a while, no CPU is taken for dead.
const (
	pokeAfter = clock.Second      // without a tick, until the timer IPI
	idleEnd   = 2 * clock.Second  // until an idle CPU is taken for dead: 1 s to answer
	busyEnd   = 10 * clock.Second // until a busy one is
)

// Errors of the watchdog, for the reader of a panic.
const (
	saysIdle = "watchdog: an idle CPU does not answer an IPI within 1 s; CPU, ticks before"
	saysBusy = "watchdog: no tick for 10 s; CPU, ticks before"
)

// watch checks the next CPU.
//
// Context: this CPU's tick. It takes no lock: its neighbour may hold any.
func watch(c *percpu.CPU, q *runQueue) {
	v := neighbour(c)
	if v == nil {
		return
	}
	now, seen := c.Ticks.Load(), v.TickAt.Load()
	if seen != c.Watched {
		c.Watched, c.WatchTick = seen, now
		return
	}
	quiet := now - c.WatchTick
	if busy := local(v).running.Load() != uint32(classes); busy && quiet >= watchTicks(busyEnd) {
		upcall.Panic(c, saysBusy, uint64(v.ID), v.Ticks.Load())
	} else if !busy && quiet >= watchTicks(idleEnd) {
		upcall.Panic(c, saysIdle, uint64(v.ID), v.Ticks.Load())
	}
	if quiet != 0 && quiet%watchTicks(pokeAfter) == 0 {
		ipi.Repeat(c, v, ipi.Timer)
	}
}

// neighbour returns the next CPU that is online, nil if there is no other.
//
//cpucheck:other the CPU to watch
func neighbour(c *percpu.CPU) *percpu.CPU {
	n := percpu.Count()
	for i := uint32(1); i < n; i++ {
		if v := percpu.Get((c.ID + i) % n); v.IsOnline() {
			return v
		}
	}
	return nil
}

// watchTicks returns the number of ticks in a time, times the scale of all
// deadlines: at least two for each second, because the phases of two CPUs' ticks
// differ.
func watchTicks(d clock.Time) uint64 {
	return max(uint64(d/tickPeriod), 2*uint64(d/clock.Second)) * clock.Scale()
}

// onTimerIPI handles a timer IPI: it does the work that is due, and makes sure that
// the timer goes on.
func onTimerIPI(c *percpu.CPU, _ *cpu.Frame) {
	late := clock.Now() - local(c).nextTick
	apic.StartTimer()
	due(c)
	if late > pokeAfter/2 {
		var l console.Line
		console.Warn(c, l.Str("sched: the timer of cpu").Dec(uint64(c.ID)).Str(" gave no interrupt; started again after ").
			Dec(uint64(late/clock.Millisecond)).Str(" ms"))
	}
}
