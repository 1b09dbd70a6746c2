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
	enough  clock.Ratio // the same with the calibration's error added: see counts
	late    uint64      // what is added to a TSC deadline for that, in millionths
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
	clockPPM, timerPPM := clock.Calibrated().Bounds()
	setTimerHz(max(hz, 1), clockPPM+timerPPM)
	late = clockPPM
	return hz, problem
}

// setTimerHz stores the timer's frequency. ppm is the bound on its error, by the clock, in millionths.
func setTimerHz(hz, ppm uint64) {
	timerHz = hz
	perNS = clock.NewRatio(hz, 1e9)
	enough = clock.NewRatio(hz+hz*ppm/1e6, 1e9) + 1 // what the division cuts off
}

// elapsed returns how far the timer has counted.
func elapsed(*clock.Counter) uint64 { return uint64(^read(offCurrent)) }

// ArmTimer makes the timer interrupt this CPU once, d from now: at least one
// count, at most what fits the register. In periodic mode the timer interrupts anyhow, and a
// CPU without a timer of its own is interrupted by the boot CPU.
//
// Context: interrupts off.
// Source: Intel SDM vol. 3A, "TSC-Deadline Mode": a deadline in the past interrupts at once.
func ArmTimer(d clock.Time) {
	if Simulated && Sent != nil {
		return
	}
	if timerLate|clock.Time(timerMode) == 0 && !timerDead && !legacy { // the usual way
		write(offInitial, counts(d))
		return
	}
	d = max(d, 0) + timerLate
	switch {
	case legacy:
		armLegacy(d)
	case timerMode.IsShared():
		if sharer() {
			armShared(d - timerLate)
		}
	case timerDead || timerMode == Periodic:
	case timerMode == Deadline:
		d = min(d, maxDeadline)
		cpu.WriteMSR(cpu.MSRTSCDeadline, cpu.TSC()+clock.Ticks(d+clock.Time(uint64(d)*late/1e6))+1)
	default:
		write(offInitial, counts(d))
	}
}

// maxDeadline bounds the arithmetic of deadlines: no CPU sleeps that long.
const maxDeadline = 3600 * clock.Second

// counts returns the counts that take d, not less. An interrupt before its time would find nothing
// due, and would only arm the timer again, so each tick and each timer would cost two of them. So
// the count is rounded up, and includes the calibration's error: a timer is late by that, some
// 10 to 100 millionths of d.
func counts(d clock.Time) uint32 { return uint32(min(enough.Of(uint64(max(d, 0)))+1, 0xffffffff)) }

// StartTimer unmasks the timer; ArmTimer then starts it.
//
// Source: Intel SDM vol. 3A, "TSC-Deadline Mode": in xAPIC mode an MFENCE orders the store to
// the local vector table before the write of the deadline.
func StartTimer() {
	switch {
	case legacy:
		LegacyUnmask(0)
	case timerMode.IsShared():
		write(offLVTTimer, lvtMasked)
		if sharer() {
			write(offLVTLINT0, lvtModeExtINT)
			LegacyUnmask(0)
		}
	case timerMode == Deadline:
		write(offLVTTimer, lvtDeadline|vector.Timer)
		fence()
	case timerMode == Periodic:
		write(offLVTTimer, lvtPeriodic|vector.Timer)
		if !timerDead {
			write(offInitial, uint32(min(max(perNS.Of(uint64(timerPeriod)), 1), 0xffffffff)))
		}
	default:
		write(offLVTTimer, vector.Timer)
	}
}

// armShared makes the timer that all CPUs share interrupt the boot CPU, d from now.
func armShared(d clock.Time) {
	if timerMode == SharedHPET {
		clock.SetAlarm(d)
	} else {
		armLegacy(d)
	}
}

// LeaveShared undoes what StartTimer does in the modes in which the CPUs share a timer.
//
// Context: boot CPU.
func LeaveShared() {
	LegacyMask(0)
	write(offLVTLINT0, lvtMasked)
}

// sharer reports whether this CPU is the one that the shared timer interrupts: the boot CPU, whose pin
// LINT0 is wired to the 8259s.
//
// Source: Intel MultiProcessor Specification, "Virtual Wire Mode".
func sharer() bool { return cpu.ReadMSR(cpu.MSRAPICBase)&cpu.APICBaseBSP != 0 }

// StopTimer masks the timer. An interrupt that is pending already is still
// delivered.
func StopTimer() {
	write(offLVTTimer, lvtMasked)
	write(offInitial, 0)
	if timerMode == Deadline {
		cpu.WriteMSR(cpu.MSRTSCDeadline, 0)
	}
}
