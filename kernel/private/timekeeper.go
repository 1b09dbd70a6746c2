package private

import (
	"unsafe"

	"muster/kernel/abi"
	"muster/kernel/clock"
	"muster/kernel/cpus"
	"muster/kernel/cross"
	"muster/kernel/linux"
	"muster/kernel/percpu"
)

// keepLimit is how long the timekeeper may take to answer.
const keepLimit = clock.Second

// keepTime answers KeepTime. If the timekeeper is not online, or does not answer, this CPU is the
// timekeeper from now on.
func keepTime(c *percpu.CPU, t *linux.Task, check bool, out uintptr) (*percpu.CPU, uint64) {
	if check {
		var set percpu.Mask
		var words [percpu.Max / 64]uint64
		set.Init(uintptr(unsafe.Pointer(&words)), percpu.Count())
		to := clock.Timekeeper()
		if !cpus.Online.Has(to) {
			to = c.ID
			clock.MoveTimekeeper(to)
		}
		set.Set(to)
		if cross.Call(c, &set, abi.CallKeep, 0, keepLimit) != cross.Silent {
			clock.MoveTimekeeper(c.ID)
		}
	}
	k := clock.ReadKeeping()
	info := abi.Timekeeping{CPU: k.CPU, Reference: uint32(k.Reference), Checks: k.Checks, Hz: k.Hz,
		SlowNS: int64(k.Slow), PPB: k.PPB, NextNS: int64(k.Next)}
	return c, copyOut(c, t, out, &info, 0)
}

// moveTimekeeper answers MoveTimekeeper.
func moveTimekeeper(c *percpu.CPU, _ *linux.Task, cpu int) (*percpu.CPU, uint64) {
	if percpu.Find(cpu) == nil || !cpus.Online.Has(uint32(cpu)) {
		return c, linux.Fail(linux.EINVAL)
	}
	clock.MoveTimekeeper(uint32(cpu))
	return c, 0
}
