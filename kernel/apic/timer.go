package apic

import (
	"muster/kernel/clock"
	"muster/kernel/vector"
)

// The timer counts down from the initial count, once, at the bus clock over 16.
var (
	timerHz uint64      // counts per second
	perNS   clock.Ratio // counts per nanosecond
)

// TimerDivider is what Enable sets: the timer counts at its clock over this number.
const TimerDivider = 16

// CalibrateTimer measures the timer against the time-stamp counter, with the method of package
// clock. problem is why the timer cannot be used, "" if it counts.
//
// Context: boot CPU, after Enable and clock.Calibrate.
func CalibrateTimer() (hz uint64, problem string) {
	write(offLVTTimer, lvtMasked)
	write(offInitial, 0xffffffff)
	hz, problem = clock.MeasureTimer(elapsed)
	write(offInitial, 0)
	timerHz = max(hz, 1)
	perNS = clock.NewRatio(timerHz, 1e9)
	return hz, problem
}

// elapsed returns how far the timer has counted.
func elapsed(*clock.Counter) uint64 { return uint64(^read(offCurrent)) }

// ArmTimer makes the timer interrupt this CPU once, d from now: at least one
// count, at most what fits the register.
//
// Context: interrupts off.
func ArmTimer(d clock.Time) {
	if Simulated && Sent != nil {
		return
	}
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
