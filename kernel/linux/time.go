package linux

import (
	"muster/kernel/clock"
	"muster/kernel/cpu"
	"muster/kernel/percpu"
	"muster/kernel/sched"
)

// Clocks of clock_gettime.
const (
	clockRealtime       = 0
	clockMonotonic      = 1
	clockProcessCPU     = 2
	clockThreadCPU      = 3
	clockMonotonicRaw   = 4
	clockRealtimeCoarse = 5
	clockCoarse         = 6
	clockBoottime       = 7
)

// loadTimespec reads seconds and nanoseconds.
func loadTimespec(c *percpu.CPU, t *Task, addr uintptr) (clock.Time, Errno) {
	sec, ok := t.Space.Load64(c, addr)
	ns, ok2 := t.Space.Load64(c, addr+8)
	if !ok || !ok2 {
		return 0, EFAULT
	}
	if int64(sec) < 0 || ns >= 1e9 {
		return 0, EINVAL
	}
	if sec > 1<<33 {
		return clock.Never - 1, 0
	}
	return clock.Time(sec)*clock.Second + clock.Time(ns), 0
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

// readClock returns a clock's time; ok is false when there is no clock with that
// number.
func readClock(t *Task, id uint64) (clock.Time, bool) {
	switch id {
	case clockRealtime, clockRealtimeCoarse:
		return clock.Now() + clock.Time(clock.Epoch()), true
	case clockMonotonic, clockMonotonicRaw, clockCoarse, clockBoottime:
		return clock.Now(), true
	case clockProcessCPU, clockThreadCPU:
		return t.runTime(), true
	}
	return 0, false
}

func sysClockGettime(c *percpu.CPU, t *Task, f *cpu.Frame) (*percpu.CPU, uint64) {
	now, ok := readClock(t, f.DI)
	if !ok {
		return c, errno(EINVAL)
	}
	if !storeTimespec(c, t, uintptr(f.SI), now) {
		return c, errno(EFAULT)
	}
	return c, 0
}

func sysClockGetres(c *percpu.CPU, t *Task, f *cpu.Frame) (*percpu.CPU, uint64) {
	if _, ok := readClock(t, f.DI); !ok {
		return c, errno(EINVAL)
	}
	if f.SI != 0 && !storeTimespec(c, t, uintptr(f.SI), 1) {
		return c, errno(EFAULT)
	}
	return c, 0
}

func sysGettimeofday(c *percpu.CPU, t *Task, f *cpu.Frame) (*percpu.CPU, uint64) {
	now, _ := readClock(t, clockRealtime)
	a := uintptr(f.DI)
	if a != 0 && !(t.Space.Store64(c, a, uint64(now/clock.Second)) && t.Space.Store64(c, a+8, uint64(now%clock.Second/clock.Microsecond))) {
		return c, errno(EFAULT)
	}
	return c, 0
}

func sysTime(c *percpu.CPU, t *Task, f *cpu.Frame) (*percpu.CPU, uint64) {
	now, _ := readClock(t, clockRealtime)
	if f.DI != 0 && !t.Space.Store64(c, uintptr(f.DI), uint64(now/clock.Second)) {
		return c, errno(EFAULT)
	}
	return c, uint64(now / clock.Second)
}

func sysNanosleep(c *percpu.CPU, t *Task, f *cpu.Frame) (*percpu.CPU, uint64) {
	d, e := loadTimespec(c, t, uintptr(f.DI))
	if e != 0 {
		return c, errno(e)
	}
	return sleepUntil(c, t, later(clock.Now(), d), uintptr(f.SI))
}

const timerAbsolute = 1

func sysClockNanosleep(c *percpu.CPU, t *Task, f *cpu.Frame) (*percpu.CPU, uint64) {
	now, ok := readClock(t, f.DI)
	if !ok || f.DI == clockProcessCPU || f.DI == clockThreadCPU {
		return c, errno(EINVAL)
	}
	d, e := loadTimespec(c, t, uintptr(f.DX))
	if e != 0 {
		return c, errno(e)
	}
	if f.SI&timerAbsolute != 0 {
		return sleepUntil(c, t, later(clock.Now(), d-now), 0)
	}
	return sleepUntil(c, t, later(clock.Now(), d), uintptr(f.R10))
}

// sleepUntil sleeps; a signal ends the sleep early, and the rest of the time is
// stored at remaining.
func sleepUntil(c *percpu.CPU, t *Task, until clock.Time, remaining uintptr) (*percpu.CPU, uint64) {
	for {
		var expired bool
		if c, expired = sched.ParkUntil(c, until); expired || clock.Now() >= until {
			return c, 0
		}
		if t.interrupted() {
			if remaining != 0 && !storeTimespec(c, t, remaining, max(until-clock.Now(), 0)) {
				return c, errno(EFAULT)
			}
			return c, errno(EINTR)
		}
	}
}

func sysTimes(c *percpu.CPU, _ *Task, _ *cpu.Frame) (*percpu.CPU, uint64) {
	return c, uint64(clock.Now() / (10 * clock.Millisecond))
}

func sysGetrusage(c *percpu.CPU, t *Task, f *cpu.Frame) (*percpu.CPU, uint64) {
	var usage [18]uint64
	ran := t.runTime()
	usage[0], usage[1] = uint64(ran/clock.Second), uint64(ran%clock.Second/clock.Microsecond)
	usage[4] = t.Space.Charged() * 4 // KiB resident
	if !t.Space.CopyOut(c, uintptr(f.SI), ptrTo(&usage), 144) {
		return c, errno(EFAULT)
	}
	return c, 0
}
