package private

import (
	"unsafe"

	"muster/kernel/abi"
	"muster/kernel/atom"
	"muster/kernel/clock"
	"muster/kernel/cpu"
	"muster/kernel/cpus"
	"muster/kernel/cross"
	"muster/kernel/linux"
	"muster/kernel/percpu"
	"muster/kernel/upcall"
)

// The comparison of two CPUs' time-stamp counters. The CPUs give a number to and fro: each reads
// its counter after it has got the other one's value, so its own must not be less. A counter
// that is ahead or late by more than the way of the number takes is found.

const (
	warpRounds = 16
	warpLeast  = 2 // rounds that make a comparison
	warpLimit  = 2 * clock.Millisecond
	// warpFine: at least one round must be shorter. A difference below a round's length is not found, and where a host
	// runs the two virtual CPUs in turns, a round takes milliseconds.
	warpFine = 500 * clock.Microsecond
	warpOver = ^uint32(0)

	// The words of the call.
	warpTurns = 0 // give a value to and fro
	warpAsks  = 1 // by how much is the counter ahead of a value?
)

var warp struct {
	busy   atom.Uint32 // 1: a comparison runs
	caller atom.Uint32 // the CPU that leads
	turn   atom.Uint32 // odd: the other CPU's turn; warpOver: the end
	tsc    atom.Uint64 // the value that is given
	early  atom.Uint64 // by how much the other CPU is ahead at least, in ticks
	late   atom.Uint64 // by how much it is behind at least
	ahead  atom.Uint64 // an injected fault: what the other CPU reads more, in ticks
	rounds uint32      // guarded by busy
	short  uint64      // the shortest round, in ticks; guarded by busy
}

// compareTSC answers CompareTSC. If the counters differ, the TSC is the clock no longer.
func compareTSC(c *percpu.CPU, _ *linux.Task, to int, aheadNS int64) (*percpu.CPU, uint64) {
	if percpu.Find(to) == nil || !cpus.Online.Has(uint32(to)) {
		return c, linux.Fail(linux.EINVAL)
	}
	if uint32(to) == c.ID || clock.Clock() != clock.Kinds {
		return c, 0
	}
	if !warp.busy.CompareAndSwap(0, 1) {
		return c, linux.Fail(linux.EBUSY)
	}
	warp.caller.Store(c.ID)
	warp.turn.Store(0)
	warp.early.Store(0)
	warp.late.Store(0)
	warp.ahead.Store(clock.Ticks(clock.Time(aheadNS)))
	warp.rounds, warp.short = 0, ^uint64(0)
	var set percpu.Mask
	var words [percpu.Max / 64]uint64
	set.Init(uintptr(unsafe.Pointer(&words)), percpu.Count())
	set.Set(c.ID)
	set.Set(uint32(to))
	missing := cross.Call(c, &set, abi.CallWarp, warpTurns, keepLimit)
	early, late := clock.Span(warp.early.Load()), clock.Span(warp.late.Load())
	short := clock.Span(min(warp.short, 1<<40))
	enough := missing == cross.Silent && warp.rounds >= warpLeast && short < warpFine
	if enough && max(early, late) > 0 {
		skew := clock.Time(0) // if the other CPU is late, it has read nothing that is later
		if early > 0 {
			skew = early + short // what was found is less than the difference by a round at most
			clock.Ahead(percpu.Get(uint32(to)), early)
		}
		percpu.Get(uint32(to)).ClockSkew.Store(uint64(aheadNS))
		clock.TSCsDiffer(max(skew, furthest(c, &set)))
	}
	warp.busy.Store(0)
	if !enough {
		return c, linux.Fail(linux.ETIMEDOUT)
	}
	return c, uint64(max(early, late))
}

// furthest returns by how much the counter of another CPU is ahead of this one's at most, if it is for certain: of all
// CPUs that are online but those that have just been compared, which gets their set.
//
// Context: as compareTSC.
func furthest(c *percpu.CPU, compared *percpu.Mask) clock.Time {
	var set percpu.Mask
	var words [percpu.Max / 64]uint64
	set.Init(uintptr(unsafe.Pointer(&words)), percpu.Count())
	for id := range percpu.Count() {
		if cpus.Online.Has(id) && !compared.Has(id) {
			set.Set(id)
		}
	}
	warp.early.Store(0)
	began := cpu.TSCOrdered()
	warp.tsc.Store(began)
	cross.Call(c, &set, abi.CallWarp, warpAsks, keepLimit)
	return clock.Lead(warp.early.Load(), cpu.TSCOrdered()-began)
}

// onWarp is each CPU's part of a comparison, or its answer to furthest.
//
// Context: interrupts off, for as long as warpLimit.
func onWarp(c *percpu.CPU, asks uint64) {
	if asks == warpAsks {
		most := cpu.TSCOrdered() - warp.tsc.Load()
		for old := warp.early.Load(); int64(most) > int64(old) && !warp.early.CompareAndSwap(old, most); {
			old = warp.early.Load() // it grows with each turn, and each CPU makes it grow once
		}
		return
	}
	end := clock.After(warpLimit)
	if c.ID != warp.caller.Load() {
		for turn := uint32(1); awaitTurn(c, turn, end); turn += 2 {
			give(turn+1, warp.ahead.Load())
		}
		return
	}
	for turn := uint32(1); turn < 2*warpRounds; turn += 2 {
		began := cpu.TSC()
		give(turn, 0)
		if !awaitTurn(c, turn+1, end) {
			break
		}
		take(0, &warp.early)
		warp.short = min(warp.short, cpu.TSC()-began)
		warp.rounds++
	}
	warp.turn.Store(warpOver)
}

// awaitTurn waits until it is this CPU's turn. It reports false at the end.
func awaitTurn(c *percpu.CPU, turn uint32, end clock.Deadline) bool {
	for {
		switch warp.turn.Load() {
		case turn:
			return true
		case warpOver:
			return false
		}
		if end.Passed() {
			return false
		}
		upcall.To.SpinPoll(c)
		atom.Pause()
	}
}

// give compares this CPU's counter with the value that it has got, and hands its own on.
func give(turn uint32, ahead uint64) {
	if turn > 1 {
		take(ahead, &warp.late)
	}
	warp.tsc.Store(cpu.TSCOrdered() + ahead)
	warp.turn.Store(turn)
}

// take compares this CPU's counter with the value that it has got. worst is by how much that was later.
func take(ahead uint64, worst *atom.Uint64) {
	got := warp.tsc.Load()
	if mine := cpu.TSCOrdered() + ahead; mine < got {
		worst.Store(max(worst.Load(), got-mine))
	}
}
