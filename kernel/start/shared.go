package start

import (
	"muster/kernel/apic"
	"muster/kernel/clock"
	"muster/kernel/console"
	"muster/kernel/cpu"
	"muster/kernel/percpu"
	"muster/kernel/trap"
	"muster/kernel/vector"
)

// Limits of tryShared: the time that it arms, how long it waits, and how often it tries.
const (
	sharedTime  = clock.Millisecond
	sharedWait  = 100 * clock.Millisecond
	sharedTries = 3
)

// shareTimer uses a timer outside the CPUs, which interrupts the boot CPU, and reports whether one works: the
// 8254, or the HPET in its place. It logs what it uses, and what does not work.
//
// Context: boot CPU, interrupts off, after the local APIC was enabled; no handler of interrupts is installed.
func shareTimer(c *percpu.CPU) bool {
	if clock.CounterOf(clock.PIT).Usable() {
		if tryShared(c, apic.Shared) {
			say(c, apic.Shared)
			return true
		}
		var l console.Line
		console.Warn(c, l.Str("irq: 8254: ").Str(apic.NoInterrupt))
	}
	problem := clock.StartAlarm()
	if problem == "" {
		if tryShared(c, apic.SharedHPET) {
			say(c, apic.SharedHPET)
			return true
		}
		clock.StopAlarm()
		problem = apic.NoInterrupt
	}
	if clock.CounterOf(clock.HPET).Found() {
		var l console.Line
		console.Warn(c, l.Str("irq: HPET as a timer: ").Str(problem))
	}
	return false
}

// sharedCame says that the timer that tryShared tries has interrupted.
var sharedCame bool

// tryShared arms the shared timer and reports whether its interrupt has come to this CPU. It tries
// again, because the host of a virtual machine may have stopped the CPU for as long as it waits.
func tryShared(c *percpu.CPU, m apic.TimerMode) bool {
	sharedCame = false
	handleTried(onTried)
	apic.UseTimer(m, 0)
	apic.StartTimer()
	for n := 0; n < sharedTries && !sharedCame; n++ {
		apic.ArmTimer(sharedTime)
		for end := clock.After(sharedWait); !sharedCame; cpu.Pause() {
			late := end.Passed() // before the window: what has come until then counts
			trap.Window(c)
			if late {
				break
			}
		}
	}
	if !sharedCame {
		apic.LeaveShared()
	}
	handleTried(nil)
	return sharedCame
}

// handleTried installs the handler of all interrupts. One of the local APIC's timer may be pending: see
// apic.TryTimer.
func handleTried(h vector.Handler) {
	for v := vector.Exceptions; v <= vector.Spurious; v++ {
		vector.Handle(uint8(v), h)
	}
}

func onTried(_ *percpu.CPU, f *cpu.Frame) {
	switch irq := f.Vector - vector.PIC; {
	case irq < vector.PICLines:
		if real := apic.LegacyEOI(uint8(irq)); real && irq == 0 {
			sharedCame = true
		}
	case f.Vector != vector.Spurious:
		apic.EOI()
	}
}
