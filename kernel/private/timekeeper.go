package private

import (
	"unsafe"

	"muster/kernel/abi"
	"muster/kernel/atom"
	"muster/kernel/clock"
	"muster/kernel/console"
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
	warnLeft(c, &k)
	info := abi.Timekeeping{CPU: k.CPU, Reference: uint32(k.Reference), Checks: k.Checks, Hz: k.Hz,
		SlowNS: int64(k.Slow), PPB: k.PPB, NextNS: int64(k.Next),
		Watch: uint32(k.Watch), Windows: k.Windows, Bad: k.Bad, ApartNS: int64(k.Apart), OverNS: int64(k.Over)}
	return c, copyOut(c, t, out, &info, 0)
}

var warned atom.Uint32 // 1: the log has it that the time-stamp counter is the clock no longer

// warnLeft logs that, once.
func warnLeft(c *percpu.CPU, k *clock.Keeping) {
	if k.Watch != clock.WatchLeft || !warned.CompareAndSwap(0, 1) {
		return
	}
	var l console.Line
	l.Str("clock: cpu").Dec(uint64(k.CPU)).Str(": the time-stamp counter and ").Str(k.Reference.String()).Str(" disagree by ").
		Dec(uint64(max(k.Apart, -k.Apart) / clock.Microsecond)).Str(" us in ").Dec(uint64(k.Over / clock.Millisecond)).
		Str(" ms, for the third time: ").Str(clock.Clock().String()).Str(" is the clock, each reading is a system call")
	console.Warn(c, &l)
}

// moveTimekeeper answers MoveTimekeeper.
func moveTimekeeper(c *percpu.CPU, _ *linux.Task, cpu int) (*percpu.CPU, uint64) {
	if percpu.Find(cpu) == nil || !cpus.Online.Has(uint32(cpu)) {
		return c, linux.Fail(linux.EINVAL)
	}
	clock.MoveTimekeeper(uint32(cpu))
	return c, 0
}
