package apic

import (
	"muster/kernel/clock"
	"muster/kernel/cpu"
)

// TimerMode is how this machine's CPUs get the interrupts of their timers. It is the same
// on all CPUs.
type TimerMode uint8

// Modes of the timer.
const (
	OneShot    TimerMode = iota // the local APIC's timer counts down to 0, once
	Deadline                    // the local APIC compares the time-stamp counter with a deadline
	Periodic                    // the local APIC's timer interrupts at each tick, and is never programmed again
	Shared                      // the 8254 interrupts the boot CPU, which interrupts the others
	SharedHPET                  // the HPET does, in the place of the 8254
)

// String returns the mode's name for the log.
func (m TimerMode) String() string {
	switch m {
	case Deadline:
		return "TSC deadline"
	case Periodic:
		return "periodic"
	case Shared:
		return "8254, shared by all CPUs"
	case SharedHPET:
		return "HPET, shared by all CPUs"
	}
	return "one-shot"
}

// IsShared reports whether one timer interrupts the boot CPU for all CPUs.
func (m TimerMode) IsShared() bool { return m == Shared || m == SharedHPET }

var (
	timerMode   TimerMode
	timerPeriod clock.Time // of Periodic
	timerLate   clock.Time // an injected fault: how much later the timer interrupts
	timerDead   bool       // an injected fault: the timer is never programmed
)

// UseTimer chooses the mode. period is the time between two interrupts in periodic mode.
//
// Context: boot CPU, before StartTimer.
func UseTimer(m TimerMode, period clock.Time) { timerMode, timerPeriod = m, period }

// Mode returns what UseTimer has chosen.
func Mode() TimerMode { return timerMode }

// SetTimerFault makes the local APIC's timer dead, or late.
//
// Context: boot CPU.
func SetTimerFault(dead bool, late clock.Time) { timerDead, timerLate = dead, late }

// revision is a kind of CPU whose TSC deadline works from a revision of its microcode on.
type revision struct {
	model, first, last uint8 // of family 6; the steppings
	microcode          uint32
}

// deadlineRevisions are the CPUs whose TSC deadline may be lost or early before a revision of
// their microcode (Intel's specification updates of these models, such as errata HSD142 and
// SKL086; the revisions are those that Linux requires). A CPU with a stepping that is not
// listed has the erratum whatever its revision is, if its model is listed.
var deadlineRevisions = [...]revision{
	{0x3c, 0, 15, 0x22}, {0x45, 0, 15, 0x20}, {0x46, 0, 15, 0x17}, // Haswell
	{0x3f, 2, 2, 0x3a}, {0x3f, 4, 4, 0x0f}, // its servers
	{0x3d, 0, 15, 0x25}, {0x47, 0, 15, 0x17}, {0x4f, 0, 15, 0x0b000020}, // Broadwell
	{0x56, 2, 2, 0x11}, {0x56, 3, 3, 0x0700000e}, {0x56, 4, 4, 0x0f00000c}, {0x56, 5, 5, 0x0e000003},
	{0x4e, 0, 15, 0xb2}, {0x5e, 0, 15, 0xb2}, // Skylake
	{0x55, 3, 3, 0x01000136}, {0x55, 4, 4, 0x02000014}, {0x55, 5, 15, 0},
	{0x8e, 0, 15, 0x52}, {0x9e, 0, 15, 0x52}, // Kaby Lake
}

// DeadlineBroken reports whether a CPU, by the signature of CPUID leaf 1, needs another
// revision of its microcode for the TSC deadline: at least need, ^0 if none is known.
func DeadlineBroken(signature, microcode uint32) (need uint32, broken bool) {
	family := signature >> 8 & 15
	model := uint8(signature>>4&15 | signature>>12&0xf0)
	stepping := uint8(signature & 15)
	if family != 6 {
		return 0, false
	}
	listed := false
	for i := range deadlineRevisions {
		r := &deadlineRevisions[i]
		if r.model != model {
			continue
		}
		if stepping >= r.first && stepping <= r.last {
			return r.microcode, microcode < r.microcode
		}
		listed = true
	}
	return ^uint32(0), listed
}

// Microcode returns the revision of this CPU's microcode, 0 if it has none.
//
// Source: Intel SDM vol. 3A, "Determining the Signature": CPUID leaf 1 brings the register up to date.
func Microcode() uint32 {
	cpu.CPUID(1, 0)
	v, _ := cpu.TryReadMSR(cpu.MSRMicrocode)
	return uint32(v >> 32)
}

// Problems of the timer, for the log.
const (
	NoProblem   = ""
	NeverEnds   = "does not come to its end"
	NoInterrupt = "gives no interrupt"
	TooLate     = "is late"
)

// Limits of TryTimer: the time that it arms, how often, and how late is too late.
const (
	tryTime  = clock.Millisecond
	tryTimes = 8
	tooLate  = 2 * clock.Millisecond
)

// TryTimer arms the timer in a mode, and waits until it has come to its end and has raised
// its vector, at most two seconds. It tries again a few times if the end is late, since the host
// of a virtual machine may have stopped the CPU meanwhile. It leaves the interrupt pending.
//
// Context: boot CPU, interrupts off, after CalibrateTimer.
func TryTimer(m TimerMode, vector uint8) (problem string, late clock.Time) {
	before := timerMode
	timerMode = m
	StartTimer()
	late = clock.Never
	for tries := 0; tries < tryTimes && late > tooLate; tries++ {
		began := clock.Now()
		ArmTimer(tryTime)
		for end := clock.After(100 * clock.Millisecond); !timerEnded(m) && (m != Deadline || timerDead || tries > 0 || !requested(vector)); cpu.Pause() {
			if end.Passed() {
				StopTimer()
				timerMode = before
				return NeverEnds, 0
			}
		}
		late = min(late, clock.Now()-began-tryTime)
	}
	for end := clock.After(clock.Second); !requested(vector) && problem == NoProblem; cpu.Pause() {
		if end.Passed() {
			problem = NoInterrupt
		}
	}
	StopTimer()
	timerMode = before
	if problem == NoProblem && late > tooLate {
		problem = TooLate
	}
	return problem, late
}

// timerEnded reports whether the timer that was armed has come to its end.
//
// Source: Intel SDM vol. 3A, "APIC Timer" and "TSC-Deadline Mode": the current count, and the
// deadline's register, are 0 then. In Bochs the register keeps the deadline, so TryTimer also looks
// at the vector, which shows the first end alone.
func timerEnded(m TimerMode) bool {
	switch {
	case timerDead:
		return false
	case m == Deadline:
		return cpu.ReadMSR(cpu.MSRTSCDeadline) == 0
	}
	return read(offCurrent) == 0
}

// requested reports whether a vector is pending at this CPU's local APIC.
func requested(vector uint8) bool {
	return read(offIRR+16*uintptr(vector/32))>>(vector%32)&1 != 0
}
