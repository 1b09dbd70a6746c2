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
	warpOver   = ^uint32(0)
)

var warp struct {
	busy   atom.Uint32 // 1: a comparison runs
	caller atom.Uint32 // the CPU that leads
	turn   atom.Uint32 // odd: the other CPU's turn; warpOver: the end
	tsc    atom.Uint64 // the value that is given
	worst  atom.Uint64 // the largest step back, in ticks
	ahead  atom.Uint64 // an injected fault: what the other CPU reads more, in ticks
	rounds uint32      // guarded by busy
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
	warp.worst.Store(0)
	warp.ahead.Store(clock.Ticks(clock.Time(aheadNS)))
	warp.rounds = 0
	var set percpu.Mask
	var words [percpu.Max / 64]uint64
	set.Init(uintptr(unsafe.Pointer(&words)), percpu.Count())
	set.Set(c.ID)
	set.Set(uint32(to))
	missing := cross.Call(c, &set, abi.CallWarp, 0, keepLimit)
	skew := clock.Span(warp.worst.Load())
	enough := missing == cross.Silent && warp.rounds >= warpLeast
	if enough && skew > 0 {
		clock.LeaveTSC(skew)
	}
	warp.busy.Store(0)
	if !enough {
		return c, linux.Fail(linux.ETIMEDOUT)
	}
	return c, uint64(skew)
}

// onWarp is each CPU's part of a comparison.
//
// Context: interrupts off, for as long as warpLimit.
func onWarp(c *percpu.CPU, _ uint64) {
	end := clock.After(warpLimit)
	if c.ID != warp.caller.Load() {
		for turn := uint32(1); awaitTurn(c, turn, end); turn += 2 {
			give(turn+1, warp.ahead.Load())
		}
		return
	}
	for turn := uint32(1); turn < 2*warpRounds; turn += 2 {
		give(turn, 0)
		if !awaitTurn(c, turn+1, end) {
			break
		}
		take(0)
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
		take(ahead)
	}
	warp.tsc.Store(cpu.TSCOrdered() + ahead)
	warp.turn.Store(turn)
}

// take compares this CPU's counter with the value that it has got.
func take(ahead uint64) {
	got := warp.tsc.Load()
	if mine := cpu.TSCOrdered() + ahead; mine < got {
		warp.worst.Store(max(warp.worst.Load(), got-mine))
	}
}
