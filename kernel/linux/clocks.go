package linux

import (
	"muster/kernel/clock"
	"muster/kernel/cpu"
	"muster/kernel/percpu"
	"muster/kernel/sched"
)

// Clocks of clock_gettime (Linux, include/uapi/linux/time.h). Numbers 8 and 9 are
// clocks that wake a sleeping machine. There is none here, nor in Linux on a machine
// whose real-time clock cannot do that.
const (
	clockRealtime       = 0
	clockMonotonic      = 1
	clockProcessCPU     = 2
	clockThreadCPU      = 3
	clockMonotonicRaw   = 4
	clockRealtimeCoarse = 5
	clockCoarse         = 6
	clockBoottime       = 7
	clockTAI            = 11
)

// clockKind is what a clock counts, and what can be done with it.
type clockKind uint8

const (
	kindRealtime clockKind = iota
	kindMonotonic
	kindBoottime
	kindTAI // as realtime: no leap second is known
	kindProcessCPU
	kindThreadCPU
	kindNoTimer         // monotonic, without sleeps and timers
	kindNoTimerRealtime // realtime, without sleeps and timers
	kindRaw             // the counter without corrections, without sleeps and timers
)

// clockID is a clock, as a number names it.
type clockID struct {
	kind    clockKind
	dynamic bool   // the number has the id of a process or thread
	task    uint32 // that id, 0 for the caller's own
}

// Parts of a clock number below 0: the complement of an id, one bit for "of a thread",
// and two for the kind of time (Linux, include/linux/posix-timers.h).
const (
	dynamicThread = 4
	dynamicKind   = 3
	dynamicFile   = 3 // a clock of a device
)

// parseClock reads a clock number. ok is false if no clock has it.
func parseClock(number uint64) (id clockID, ok bool) {
	n := int32(number)
	if n < 0 {
		if n&dynamicKind == dynamicFile {
			return id, false
		}
		id.dynamic, id.task = true, uint32(^(n >> 3))
		id.kind = kindProcessCPU
		if n&dynamicThread != 0 {
			id.kind = kindThreadCPU
		}
		return id, true
	}
	switch n {
	case clockRealtime:
		id.kind = kindRealtime
	case clockMonotonic:
		id.kind = kindMonotonic
	case clockBoottime:
		id.kind = kindBoottime
	case clockTAI:
		id.kind = kindTAI
	case clockProcessCPU:
		id.kind = kindProcessCPU
	case clockThreadCPU:
		id.kind = kindThreadCPU
	case clockMonotonicRaw:
		id.kind = kindRaw
	case clockCoarse:
		id.kind = kindNoTimer
	case clockRealtimeCoarse:
		id.kind = kindNoTimerRealtime
	default:
		return id, false
	}
	return id, true
}

// readClock returns a clock's time; ok is false when the process or the thread that
// it names is not the caller's.
func (t *Task) readClock(c *percpu.CPU, id clockID) (_ clock.Time, ok bool) {
	switch id.kind {
	case kindRealtime, kindTAI, kindNoTimerRealtime:
		return clock.Real(), true
	case kindRaw:
		return clock.Raw(), true
	case kindProcessCPU:
		sched.Charge(c)
		return t.proc.usage.GroupTime(c), id.task == 0 || id.task == t.proc.ID
	case kindThreadCPU:
		if id.task == 0 || id.task == t.ID {
			return t.ThreadTime(), true // without Charge, which stores to a word of the whole process
		}
		var time clock.Time
		t.proc.mu.Lock(c)
		o := t.proc.clockTask(c, t, id)
		if o != nil {
			time = o.ThreadTime()
		}
		t.proc.mu.Unlock(c)
		return time, o != nil
	}
	return clock.Now(), true
}

// clockTask returns the task that a clock of a thread's CPU time names.
//
// Locks: p.mu held.
func (p *Process) clockTask(c *percpu.CPU, t *Task, id clockID) *Task {
	p.mu.AssertHeld(c)
	if id.task == 0 {
		return t
	}
	return p.find(c, id.task)
}

func sysClockGettime(c *percpu.CPU, t *Task, f *cpu.Frame) (*percpu.CPU, uint64) {
	id, ok := parseClock(f.DI)
	if !ok {
		return c, errno(EINVAL)
	}
	now, ok := t.readClock(c, id)
	if !ok {
		return c, errno(EINVAL)
	}
	if !storeTimespec(c, t, uintptr(f.SI), now) {
		return c, errno(EFAULT)
	}
	return c, 0
}

func sysClockGetres(c *percpu.CPU, t *Task, f *cpu.Frame) (*percpu.CPU, uint64) {
	id, ok := parseClock(f.DI)
	if !ok {
		return c, errno(EINVAL)
	}
	if _, ok = t.readClock(c, id); !ok {
		return c, errno(EINVAL)
	}
	if f.SI != 0 && !storeTimespec(c, t, uintptr(f.SI), 1) {
		return c, errno(EFAULT)
	}
	return c, 0
}

// sysGettimeofday returns the time, and a time zone of 0.
func sysGettimeofday(c *percpu.CPU, t *Task, f *cpu.Frame) (*percpu.CPU, uint64) {
	now := clock.Real()
	if f.DI != 0 && !storeTimeval(c, t, uintptr(f.DI), now) || f.SI != 0 && !t.Space.Store64(c, uintptr(f.SI), 0) {
		return c, errno(EFAULT)
	}
	return c, 0
}

func sysTime(c *percpu.CPU, t *Task, f *cpu.Frame) (*percpu.CPU, uint64) {
	now := clock.Real()
	if f.DI != 0 && !t.Space.Store64(c, uintptr(f.DI), uint64(now/clock.Second)) {
		return c, errno(EFAULT)
	}
	return c, uint64(now / clock.Second)
}
