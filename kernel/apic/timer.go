package apic

import (
	"muster/kernel/clock"
	"muster/kernel/cpu"
	"muster/kernel/vector"
)

// The timer counts down from the initial count, once, at the bus clock over 16.
var (
	timerHz uint64      // counts per second
	perNS   clock.Ratio // counts per nanosecond
)

// CalibrateTimer measures the timer against the time-stamp counter with the method
// of package clock: the tightest of some readings at both ends of 2 ms.
//
// Context: boot CPU, after Enable and clock.Calibrate.
func CalibrateTimer() (hz uint64) {
	write(offLVTTimer, lvtMasked)
	write(offInitial, 0xffffffff)
	first := tightest()
	for end := first.before + clock.Ticks(2*clock.Millisecond); cpu.TSC() < end; {
		cpu.Pause()
	}
	last := tightest()
	write(offInitial, 0)
	hz = timerFrequency(first, last, clock.Hz())
	timerHz = max(hz, 1)
	perNS = clock.NewRatio(timerHz, 1e9)
	return hz
}

// sample is the count at a moment between the counter values before and before+width.
type sample struct {
	before, width uint64
	count         uint32
}

func tightest() (best sample) {
	best.width = ^uint64(0)
	for range 8 {
		before := cpu.TSCOrdered()
		count := read(offCurrent)
		if w := cpu.TSCOrdered() - before; w < best.width {
			best = sample{before, w, count}
		}
	}
	return best
}

func timerFrequency(first, last sample, tscHz uint64) uint64 {
	ticks := last.before + last.width/2 - first.before - first.width/2
	if ticks == 0 {
		return 0
	}
	return uint64(first.count-last.count) * tscHz / ticks
}

// ArmTimer makes the timer interrupt this CPU once, d from now: at least one
// count, at most what fits the register.
//
// Context: interrupts off.
func ArmTimer(d clock.Time) {
	if legacy {
		armLegacy(d)
		return
	}
	write(offInitial, counts(d))
}

func counts(d clock.Time) uint32 {
	if d <= 0 {
		return 1
	}
	return uint32(min(max(perNS.Of(uint64(d)), 1), 0xffffffff))
}

// StartTimer unmasks the timer in one-shot mode; ArmTimer then starts it.
func StartTimer() {
	if legacy {
		LegacyUnmask(0)
		return
	}
	write(offLVTTimer, vector.Timer)
}

// StopTimer masks the timer. An interrupt that is pending already is still
// delivered.
func StopTimer() {
	write(offLVTTimer, lvtMasked)
	write(offInitial, 0)
}
