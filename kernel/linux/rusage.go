package linux

import (
	"unsafe"

	"muster/kernel/clock"
	"muster/kernel/cpu"
	"muster/kernel/percpu"
	"muster/kernel/sched"
)

// clockTick is the unit of times: a hundredth of a second, which Linux promises to
// programs.
const clockTick = 10 * clock.Millisecond

// sysTimes returns the CPU time of the process, with that of tasks that have ended,
// and the time since boot. There are no children.
func sysTimes(c *percpu.CPU, t *Task, f *cpu.Frame) (*percpu.CPU, uint64) {
	sched.Charge(c)
	user, system := t.proc.usage.GroupSplit(c)
	tms := [4]uint64{uint64(user / clockTick), uint64(system / clockTick)}
	if f.DI != 0 && !t.Space.CopyOut(c, uintptr(f.DI), ptrTo(&tms), unsafe.Sizeof(tms)) {
		return c, errno(EFAULT)
	}
	return c, uint64(clock.Now() / clockTick)
}

// Subjects of getrusage.
const (
	rusageSelf     = 0
	rusageChildren = -1
	rusageThread   = 1
)

// sysGetrusage returns what the process or the thread has used; of memory, what the
// process has now.
func sysGetrusage(c *percpu.CPU, t *Task, f *cpu.Frame) (*percpu.CPU, uint64) {
	var r [18]uint64 // struct rusage
	var user, system clock.Time
	switch int32(f.DI) {
	case rusageSelf:
		sched.Charge(c)
		user, system = t.proc.usage.GroupSplit(c)
	case rusageChildren:
	case rusageThread:
		user, system = t.Used.Split(t.ThreadTime())
		r[16] = t.Switches.Load() // why it switched is not known: all count as voluntary
	default:
		return c, errno(EINVAL)
	}
	if int32(f.DI) != rusageChildren {
		r[0], r[1] = uint64(user/clock.Second), uint64(user%clock.Second/clock.Microsecond)
		r[2], r[3] = uint64(system/clock.Second), uint64(system%clock.Second/clock.Microsecond)
		r[4] = t.Space.Charged() * 4 // KiB resident
	}
	if !t.Space.CopyOut(c, uintptr(f.SI), ptrTo(&r), unsafe.Sizeof(r)) {
		return c, errno(EFAULT)
	}
	return c, 0
}
