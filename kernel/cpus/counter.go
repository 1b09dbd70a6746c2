package cpus

import (
	"muster/kernel/atom"
	"muster/kernel/clock"
	"muster/kernel/cpu"
	"muster/kernel/linux"
	"muster/kernel/percpu"
)

// counterCheck is the first comparison of a CPU's time-stamp counter with that of the CPU that lets it
// join, before anything on the CPU reads the clock: each gives a value to the other with a step of the start that
// both make anyhow, so nothing waits. A counter that is late by more than an IPI takes is found, and one that is
// ahead by more than the wait for the other CPUs: those that a reset has set back, or has left out. Package private
// compares exactly when the CPU is online.
//
//	the CPU                              the one that lets it join
//	report: gives its counter
//	ReportReady
//	                                     early: its own is less?
//	                                     give: gives its counter
//	                                     LetGo; an IPI
//	agrees: its own is less?
//	if so it waits                       hear: the TSC is the clock no longer; an IPI again
type counterCheck struct {
	reported atom.Uint64
	given    atom.Uint64
	apart    atom.Uint64 // by how much they differ at least, in ticks; 0: nothing was found
	late     atom.Uint32 // 1: the CPU's counter is late
	heard    atom.Uint32 // 1: the CPU may join although it is
	skew     uint64      // injected: what the CPU's counter is ahead
	skewNS   uint64      // the same in nanoseconds
}

// reset prepares the next start.
func (k *counterCheck) reset() {
	k.given.Store(0)
	k.apart.Store(0)
	k.late.Store(0)
	k.heard.Store(0)
}

// report gives the counter of the CPU that starts.
//
// Context: on that CPU, before ReportReady.
func (k *counterCheck) report(tsc uint64) { k.reported.Store(tsc + k.skew) }

// early reports whether the CPU's counter is ahead of tsc, the counter of the CPU that lets it join.
func (k *counterCheck) early(tsc uint64) bool {
	d := int64(k.reported.Load() - tsc)
	if d <= 0 {
		return false
	}
	k.apart.Store(uint64(d))
	return true
}

// give gives the counter of the CPU that lets it join.
//
// Context: before LetGo.
func (k *counterCheck) give(tsc uint64) { k.given.Store(tsc) }

// agrees reports whether the CPU may join: its counter is not late, or that is known.
//
// Context: on that CPU, after MayJoin.
func (k *counterCheck) agrees(tsc uint64) bool {
	if k.heard.Load() != 0 {
		return true
	}
	if k.late.Load() == 0 {
		d := int64(k.given.Load() - (tsc + k.skew))
		if d <= 0 {
			return true
		}
		k.apart.Store(uint64(d))
		k.late.Store(1) // publishes apart; stays, as the counter passes the value that was given
	}
	return false
}

// hear lets a CPU whose counter is late join. It reports false if there is no such thing to hear.
func (k *counterCheck) hear() bool { return k.late.Load() != 0 && k.heard.CompareAndSwap(0, 1) }

// CounterApart returns by how many nanoseconds a CPU's counter was ahead of the boot CPU's when it came online, as far
// as its start shows; negative: it was late.
func CounterApart(c *percpu.CPU) int64 {
	k := &memoryOf(c).counter
	d := int64(clock.Span(k.apart.Load()))
	if k.late.Load() != 0 {
		return -d
	}
	return d
}

// compareFirst is the side of the CPU that lets another one join. What the other one's counter would say is in no
// reading of the clock yet, so the clock continues without a step.
//
// Context: before LetGo.
func compareFirst(to *percpu.CPU) {
	k := &memoryOf(to).counter
	if clock.Trusted() {
		k.heard.Store(1)
		return
	}
	if to.State.Load() == percpu.Ready && !to.MayJoin() {
		now := cpu.TSCOrdered()
		if k.early(now) {
			clock.TSCsDiffer(0)
		}
		to.ClockSkew.Store(k.skewNS)
		clock.Joins(to)
		k.give(now)
	}
	if k.late.Load() != 0 && k.heard.Load() == 0 {
		clock.TSCsDiffer(0)
		clock.Joins(to)
		k.hear()
	}
}

// SkewTSC sets the fault of the counters of CPUs that start from now on.
func SkewTSC(c *percpu.CPU, _ *linux.Task, ns int64) (*percpu.CPU, uint64) {
	skewTicks = clock.Ticks(clock.Time(max(ns, -ns)))
	if ns < 0 {
		skewTicks = -skewTicks
	}
	skewSpan = uint64(ns)
	return c, 0
}
