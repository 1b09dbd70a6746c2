package start

import (
	"muster/kernel/apic"
	"muster/kernel/clock"
	"muster/kernel/cmdline"
	"muster/kernel/console"
	"muster/kernel/cpu"
	"muster/kernel/percpu"
)

// wrongHz is what CPUID leaf 15H says with the injected fault cpuid15:wrong.
const wrongHz = 700_000_000

// calibrate finds the frequency of the time-stamp counter, and logs where it comes from and
// what does not agree with it.
func calibrate(c *percpu.CPU) *clock.Calibration {
	findCounters(c)
	if cmdline.Has(info.CommandLine, "fault=cpuid15:wrong") {
		clock.Claim(wrongHz)
	}
	if cmdline.Has(info.CommandLine, "fault=cmos:still") {
		clock.FreezeCMOS()
	}
	var l console.Line
	r, ok := clock.Calibrate()
	if !ok {
		console.Warn(c, l.Str("clock: no CPUID leaf and no counter says how fast the time-stamp counter is: waiting for the second of the CMOS clock"))
		ok = clock.CalibrateCMOS()
		l = console.Line{}
	}
	if !ok {
		console.Log(c, console.Error, l.Str("clock: CMOS clock: ").Str(r.CMOS).Str(": the time-stamp counter is taken for one of ").
			Dec(r.Hz()/1e6).Str(" MHz without a reason, so date and spans of time are wrong").Bytes())
		return r
	}
	console.Say(c, l.Str("clock: time-stamp counter at ").Dec(r.Hz()/1000).Str(" kHz by ").Str(r.Chosen.String()))
	for s := range clock.FromNothing {
		if !r.Disagrees(s) {
			continue
		}
		l = console.Line{}
		l.Str("clock: ").Str(s.String()).Str(" says ").Dec(r.Readings[s].Hz / 1000).Str(" kHz, ").
			Dec(r.Apart(s) / 10_000).Str("% from what ").Str(r.Chosen.String()).Str(" says")
		if r.Refused>>s&1 != 0 {
			l.Str(": not used, since other sources agree with each other")
		}
		console.Warn(c, &l)
	}
	return r
}

// chooseClock makes another counter the clock, if the word tsc=off requests that. With tsc=reliable, nothing
// compares the time-stamp counter with others.
func chooseClock(c *percpu.CPU) {
	if features.Has(cpu.InvariantTSC) {
		clock.SetInvariant()
	}
	if cmdline.Has(info.CommandLine, "fault=tsc:drift") {
		clock.DriftTSC()
	}
	var word [16]byte
	n, ok := cmdline.Value(info.CommandLine, "tsc", word[:])
	if !ok || n > len(word) {
		return
	}
	if string(word[:n]) == "reliable" {
		clock.TrustTSC()
	}
	if string(word[:n]) != "off" {
		return
	}
	var l console.Line
	if clock.LeaveTSC() {
		console.Say(c, l.Str("clock: ").Str(clock.Clock().String()).Str(" is the clock, because of tsc=off: each reading is a system call"))
	} else {
		console.Warn(c, l.Str("clock: no HPET and no ACPI PM timer that counts: tsc=off has no effect"))
	}
}

// calibrateTimer measures the timer of the local APIC, and compares it with what CPU or
// hypervisor say. problem is why it cannot be used, "" if it counts.
func calibrateTimer(c *percpu.CPU) (problem string) {
	var hz uint64
	hz, problem = apic.CalibrateTimer()
	bootData.TimerHz = hz
	var l console.Line
	if problem != "" {
		return problem
	}
	if r := clock.Calibrated(); r.TimerDisagrees(apic.TimerDivider) {
		console.Warn(c, l.Str("irq: timer of the local APIC counts at ").Dec(hz*apic.TimerDivider/1000).Str(" kHz, and should at ").
			Dec(r.TimerHz/1000).Str(" kHz: ").Dec(r.TimerApart(apic.TimerDivider)/10_000).Str("% apart"))
	}
	return ""
}
