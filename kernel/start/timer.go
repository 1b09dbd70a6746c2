package start

import (
	"muster/kernel/apic"
	"muster/kernel/clock"
	"muster/kernel/cmdline"
	"muster/kernel/console"
	"muster/kernel/cpu"
	"muster/kernel/percpu"
	"muster/kernel/sched"
	"muster/kernel/setting"
	"muster/kernel/vector"
)

// chooseTimer chooses how the CPUs get the interrupts of their timers, tries it, and logs what
// it has chosen and why it has not chosen something better. problem is why the timer of the
// local APIC cannot count, "" if it can.
//
// Context: boot CPU, after the local APIC's timer was calibrated.
func chooseTimer(c *percpu.CPU, problem string) {
	apic.SetTimerFault(timerFault())
	option, chosen := timerOption()
	if problem == apic.NoProblem && (!chosen || option == apic.Deadline) && deadlineWorks(c, chosen) && try(c, apic.Deadline) {
		say(c, apic.Deadline)
		return
	}
	switch {
	case problem != apic.NoProblem:
		var l console.Line
		console.Warn(c, l.Str("irq: timer of the local APIC: ").Str(problem))
	case !try(c, apic.OneShot):
	case chosen && option == apic.Periodic:
		sched.KeepTicking(sched.ByMode, true)
		say(c, apic.Periodic)
		return
	default:
		say(c, apic.OneShot)
		return
	}
	if shareTimer(c) {
		return
	}
	say(c, apic.OneShot)
	var l console.Line
	console.Log(c, console.Error, l.Str("irq: there is no other timer: nothing interrupts a thread that runs").Bytes())
}

// say uses a mode, and logs it.
func say(c *percpu.CPU, m apic.TimerMode) {
	apic.UseTimer(m, sched.Tick())
	var l console.Line
	console.Say(c, l.Str("irq: timer: ").Str(m.String()))
}

// try reports whether the timer works in a mode, and logs what is wrong.
func try(c *percpu.CPU, m apic.TimerMode) bool {
	problem, late := apic.TryTimer(m, vector.Timer)
	if problem == apic.NoProblem {
		return true
	}
	var l console.Line
	l.Str("irq: timer of the local APIC, ").Str(m.String()).Str(": ").Str(problem)
	if problem == apic.TooLate {
		l.Str(" by ").Dec(uint64(late / clock.Microsecond)).Str(" us")
	}
	console.Warn(c, &l)
	return false
}

// timerOption returns the mode that timer= chooses; chosen is false without a choice.
func timerOption() (m apic.TimerMode, chosen bool) {
	var word [16]byte
	n, ok := cmdline.Value(info.CommandLine, "timer", word[:])
	if !ok || n > len(word) {
		return apic.OneShot, false
	}
	switch {
	case string(word[:n]) == "deadline":
		return apic.Deadline, true
	case string(word[:n]) == "periodic":
		return apic.Periodic, true
	}
	return apic.OneShot, string(word[:n]) == "oneshot"
}

// deadlineWorks reports whether the boot CPU has the TSC deadline, without an erratum. chosen
// admits a CPU with the erratum.
func deadlineWorks(c *percpu.CPU, chosen bool) bool {
	if !features.Has(cpu.TSCDeadline) {
		return false
	}
	_, _, c1, _ := cpu.CPUID(1, 0)
	if virtual := c1>>31 != 0; virtual || features.Vendor != cpu.VendorIntel {
		return true // hypervisors have no microcode of their own, and no other maker has the erratum
	}
	signature, _, _, _ := cpu.CPUID(1, 0)
	have := apic.Microcode()
	need, broken := apic.DeadlineBroken(signature, have)
	if !broken || chosen {
		return true
	}
	var l console.Line
	l.Str("irq: no TSC deadline: this CPU has an erratum with microcode ").Hex(uint64(have))
	if need != ^uint32(0) {
		l.Str(", and not from ").Hex(uint64(need)).Str(" on")
	}
	console.Warn(c, &l)
	return false
}

// timerFault returns the injected fault of the timer: fault=timer:dead, or fault=timer:late=MS.
func timerFault() (dead bool, late clock.Time) {
	if cmdline.Has(info.CommandLine, "fault=timer:dead") {
		return true, 0
	}
	ms, _ := setting.TimerLate.Read(info.CommandLine)
	return false, clock.Time(ms) * clock.Millisecond
}
