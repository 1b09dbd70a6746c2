package main

import (
	"muster/kernel/acpi"
	"muster/kernel/apic"
	"muster/kernel/clock"
	"muster/kernel/cpu"
	"muster/kernel/freq"
	"muster/kernel/kcall"
	"muster/kernel/msr"
	"muster/kernel/shell"
)

// Time returns the date, and where the kernel's time comes from. The result of the calibration
// does not change after the boot, so it is read where it lies.
func (s *system) Time() shell.Time {
	r := clock.Calibrated()
	t := shell.Time{Uptime: s.Uptime(), Hz: r.Hz(), From: r.Chosen.String(), Why: r.Reason(), Counters: []shell.TimeCounter{}}
	if r.Refused != 0 {
		t.Why += "; more sources agree with it than with one that was refused"
	}
	for from := range clock.FromNothing {
		row := shell.TimeSource{Name: from.String(), Kind: "measured", State: r.State(from)}
		switch {
		case from.Exact():
			row.Kind = "exact"
		case from.Nominal():
			row.Kind = "nominal"
		}
		if r.Says(from) {
			row.Hz, row.Bound, row.Apart = r.Readings[from].Hz, r.Readings[from].PPM, r.Apart(from)
		}
		t.Sources = append(t.Sources, row)
	}
	for kind := range clock.Kinds {
		k := clock.CounterOf(kind)
		if !k.Found() {
			continue
		}
		row := shell.TimeCounter{Name: kind.String(), Bits: k.Bits, Hz: k.Hz(), State: "counts"}
		switch {
		case k.Problem != "":
			row.State = k.Problem
		case k.Died():
			row.State = "stopped after the boot"
		case kind == clock.PIT && pitInterrupts():
			row.State = "interrupts as the CPUs' timer"
		case kind == clock.PIT:
			row.State = "off since the calibration"
		}
		t.Counters = append(t.Counters, row)
	}
	t.Timer = timerOf(r)
	t.Clock = "time-stamp counter"
	if kind := clock.Clock(); kind != clock.Kinds {
		t.Clock = kind.String()
	}
	k := kcall.KeepTime(false)
	t.Keeper = shell.TimeKeeper{CPU: k.CPU, Checks: k.Checks, Hz: k.Hz, SlowNS: k.SlowNS, SlewPPB: k.PPB}
	if kind := clock.Kind(k.Reference); kind < clock.Kinds {
		t.Keeper.Reference = kind.String()
	}
	t.Keeper.Watch = watchStates[min(int(k.Watch), len(watchStates)-1)]
	if clock.Clock() != clock.Kinds && k.Watch != uint32(clock.WatchLeft) {
		t.Keeper.Watch = "off, the counter is not the clock"
	}
	if clock.Clock() == clock.Held {
		t.Keeper.Watch = "off, the counters differ; no HPET and no ACPI PM timer counts"
	}
	t.Keeper.Windows, t.Keeper.Bad, t.Keeper.ApartNS, t.Keeper.OverNS = k.Windows, k.Bad, k.ApartNS, k.OverNS
	t.CPUs = s.tscs.list()
	return t
}

// watchStates are the states of the watchdog, by clock.WatchState.
var watchStates = [...]string{
	clock.WatchOn:      "on",
	clock.WatchSteady:  "stopped, the counter is invariant and has agreed long enough",
	clock.WatchTrusted: "off, because of tsc=reliable",
	clock.WatchLeft:    "stopped, the counter disagreed and is not the clock any more",
	clock.WatchNone:    "off, no HPET and no ACPI PM timer counts",
}

// pitInterrupts reports whether the PIT takes the place of the local APICs' timers: they do not work, or there is
// no local APIC.
func pitInterrupts() bool { return apic.Mode() == apic.Shared || apic.Legacy() }

func timerOf(r *clock.Calibration) shell.TimeTimer {
	t := shell.TimeTimer{Hz: r.Timer.Hz, Bound: r.Timer.PPM, Says: r.TimerHz, State: "measured", Mode: apic.Mode().String()}
	if apic.Legacy() {
		t.Mode = "8254, of the only CPU"
	}
	switch {
	case r.Dead != "":
		t.State = r.Dead
	case t.Hz == 0:
		t.State = "absent: the PIT is the timer"
	case apic.Mode() >= apic.Shared: // another timer interrupts
		t.State = "not used, dmesg has the reason"
	case r.TimerDisagrees(apic.TimerDivider):
		t.State = "disagrees with what CPU or hypervisor say"
	case t.Says != 0:
		t.State = "agrees with what CPU or hypervisor say"
	}
	return t
}

// Freq returns the frequencies and idle states of the CPU on which this goroutine runs.
func (s *system) Freq() shell.Freq {
	source := freq.Source{CPUID: cpu.CPUID, MSR: msr.Read}
	f := shell.Freq{Frequencies: source.Frequencies(), Idle: source.Idle()}
	f.Firmware.States = []acpi.IdleState{}
	if s.fadt != nil {
		f.Firmware.C2, f.Firmware.C3 = s.fadt.C2Latency, s.fadt.C3Latency
	}
	if s.tables == nil {
		return f
	}
	for _, t := range s.tables.List {
		if sig := t.Sig(); sig != "DSDT" && sig != "SSDT" {
			continue
		}
		idle := acpi.FindIdleStates(t)
		f.Firmware.Named += idle.Named
		f.Firmware.Methods += idle.Methods
		if len(f.Firmware.States) == 0 && idle.States != nil {
			f.Firmware.States = idle.States
		}
	}
	return f
}
