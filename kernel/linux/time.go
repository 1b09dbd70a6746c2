package linux

import (
	"muster/kernel/clock"
	"muster/kernel/cpu"
	"muster/kernel/percpu"
	"muster/kernel/sched"
)

// loadTimespec reads seconds and nanoseconds.
func loadTimespec(c *percpu.CPU, t *Task, addr uintptr) (clock.Time, Errno) {
	sec, ok := t.Space.Load64(c, addr)
	ns, ok2 := t.Space.Load64(c, addr+8)
	if !ok || !ok2 {
		return 0, EFAULT
	}
	return spanOf(sec, ns, 1e9)
}

// spanOf returns a time of seconds and parts, of which there are parts in a second.
func spanOf(sec, part, parts uint64) (clock.Time, Errno) {
	if int64(sec) < 0 || part >= parts {
		return 0, EINVAL
	}
	if sec > 1<<33 {
		return clock.Never - 1, 0
	}
	return clock.Time(sec)*clock.Second + clock.Time(part*(1e9/parts)), 0
}

func storeTimespec(c *percpu.CPU, t *Task, addr uintptr, v clock.Time) bool {
	return t.Space.Store64(c, addr, uint64(v/clock.Second)) && t.Space.Store64(c, addr+8, uint64(v%clock.Second))
}

// later returns now+d without overflow.
func later(now, d clock.Time) clock.Time {
	if d >= clock.Never-now {
		return clock.Never
	}
	return now + d
}

func sysNanosleep(c *percpu.CPU, t *Task, f *cpu.Frame) (*percpu.CPU, uint64) {
	d, e := loadTimespec(c, t, uintptr(f.DI))
	if e != 0 {
		return c, errno(e)
	}
	return sleepUntil(c, t, later(clock.Now(), d), uintptr(f.SI))
}

const timerAbsolute = 1

// sysClockNanosleep sleeps on a clock, also on the CPU time of a process; the caller's
// own CPU time does not pass while the caller sleeps.
func sysClockNanosleep(c *percpu.CPU, t *Task, f *cpu.Frame) (*percpu.CPU, uint64) {
	id, ok := parseClock(f.DI)
	switch {
	case !ok:
		return c, errno(EINVAL)
	case id.kind == kindNoTimer || id.kind == kindNoTimerRealtime || id.kind == kindRaw || id.kind == kindThreadCPU && !id.dynamic:
		return c, errno(EOPNOTSUPP)
	}
	d, e := loadTimespec(c, t, uintptr(f.DX))
	if e != 0 {
		return c, errno(e)
	}
	if id.kind == kindThreadCPU && (id.task == 0 || id.task == t.ID) {
		return c, errno(EINVAL)
	}
	now, ok := t.readClock(c, id)
	if !ok {
		return c, errno(EINVAL)
	}
	if f.SI&timerAbsolute == 0 {
		return t.sleepOn(c, id, now, d, uintptr(f.R10))
	}
	if d <= now {
		return c, 0
	}
	c, r := t.sleepOn(c, id, now, d-now, 0)
	if r == errno(eRestartBlock) {
		r = errno(eRestartNoHand)
	}
	return c, r
}

// sleepOn sleeps until d has passed on a clock, which shows now.
func (t *Task) sleepOn(c *percpu.CPU, id clockID, now, d clock.Time, remaining uintptr) (*percpu.CPU, uint64) {
	if id.kind == kindProcessCPU || id.kind == kindThreadCPU {
		return t.sleepCPU(c, id, later(now, d), remaining)
	}
	return sleepUntil(c, t, later(clock.Now(), d), remaining)
}

// sleepUntil sleeps; a signal ends the sleep early, and the rest of the time is
// stored at remaining.
//
// Context: no lock held. Returns the CPU on which the task goes on.
func sleepUntil(c *percpu.CPU, t *Task, until clock.Time, remaining uintptr) (*percpu.CPU, uint64) {
	for {
		var expired bool
		if c, expired = sched.ParkUntil(c, until); expired || clock.Now() >= until {
			return c, 0
		}
		if t.interrupted() {
			b := block{kind: blockSleep, until: until, addr: remaining}
			return t.breakSleep(c, b, max(until-clock.Now(), 0))
		}
	}
}

// breakSleep ends a sleep because of a signal. b is how the sleep goes on, and rest is
// what is left of it.
func (t *Task) breakSleep(c *percpu.CPU, b block, rest clock.Time) (*percpu.CPU, uint64) {
	if b.addr != 0 && !storeTimespec(c, t, b.addr, rest) {
		return c, errno(EFAULT)
	}
	t.again.block = b
	return c, errno(eRestartBlock)
}

// sleepCPU is sleepUntil for a clock of CPU time. It looks again as soon as the time can
// have come, and at most once a tick. The sleep also ends when the clock's thread does.
//
// Context: no lock held. Returns the CPU on which the task goes on.
func (t *Task) sleepCPU(c *percpu.CPU, id clockID, until clock.Time, remaining uintptr) (*percpu.CPU, uint64) {
	for {
		now, ok := t.readClock(c, id)
		if !ok || now >= until {
			return c, 0
		}
		if t.interrupted() {
			return t.breakSleep(c, block{kind: blockSleepCPU, until: until, addr: remaining, clock: id}, until-now)
		}
		span := max((until-now)/clock.Time(percpu.Count()), sched.Tick())
		c, _ = sched.ParkUntil(c, later(clock.Now(), span))
	}
}
