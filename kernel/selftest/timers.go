package selftest

import (
	"unsafe"

	"muster/kernel/abi"
	"muster/kernel/atom"
	"muster/kernel/clock"
	"muster/kernel/linux"
	"muster/kernel/mem"
	"muster/kernel/percpu"
	"muster/kernel/sched"
)

// Timers for tests, in pieces, since the memory of all of them takes too long to clear in one step.
const timerPiece = 200

var timerPieces [abi.TestTimers / timerPiece]atom.Uintptr // *[timerPiece]sched.Timer

// testTimers arms or withdraws the timers of a piece. See abi.TestCalls.
func testTimers(c *percpu.CPU, _ *linux.Task, what, first, n int, ns uint64) (*percpu.CPU, uint64) {
	if what == abi.TimersMove {
		from := percpu.Find(first)
		if from == nil || from == c || from.Sched == 0 {
			return c, linux.Fail(linux.EINVAL)
		}
		if sched.MoveTimers(c, from, c) {
			return c, 1
		}
		return c, 0
	}
	if first < 0 || first >= abi.TestTimers || n < 0 || n > timerPiece-first%timerPiece || ns > uint64(clock.Never)/2 {
		return c, linux.Fail(linux.EINVAL)
	}
	at := &timerPieces[first/timerPiece]
	if at.Load() == 0 {
		size := timerPiece * unsafe.Sizeof(sched.Timer{})
		if !mem.Spares(c, 4*uint64(size)/4096) {
			return c, linux.Fail(linux.ENOMEM)
		}
		at.Store(mem.AllocMapped(c, size, 64))
	}
	list := (*[timerPiece]sched.Timer)(unsafe.Pointer(at.Load()))[first%timerPiece:][:n]
	switch what {
	case abi.TimersArm:
		now, seed := clock.Now(), uint64(first)*2654435761+1
		for i := range list {
			seed = seed*6364136223846793005 + 1442695040888963407
			list[i].ArmCounted(c, now+clock.Time(ns+seed>>34)) // spread over a second
		}
		return c, uint64(n)
	case abi.TimersArmEqual:
		for i := range list {
			list[i].ArmCounted(c, clock.Time(ns))
		}
		return c, uint64(n)
	case abi.TimersCancel:
		withdrawn := uint64(0)
		for i := range list {
			if list[i].Disarm(c) {
				withdrawn++
			}
		}
		return c, withdrawn
	case abi.TimersExpired:
		return c, sched.CountedExpired()
	}
	return c, linux.Fail(linux.EINVAL)
}
