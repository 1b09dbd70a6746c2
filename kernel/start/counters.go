package start

import (
	"muster/kernel/clock"
	"muster/kernel/cmdline"
	"muster/kernel/console"
	"muster/kernel/layout"
	"muster/kernel/mem"
	"muster/kernel/memmap"
	"muster/kernel/percpu"
)

// findCounters takes the counters that the firmware's tables name into use: HPET and ACPI PM
// timer. Those that the tables do not name, or that do not count, are not used.
//
// Context: boot CPU, after startMemory.
func findCounters(c *percpu.CPU) {
	k := &info.Counters
	if k.HPET != 0 {
		if va, ok := mapRegisters(c, k.HPET, clock.HPETBytes); ok {
			clock.UseHPET(va)
		} else {
			badAddress(c, clock.HPET, k.HPET)
		}
	}
	switch va, ok := uintptr(k.PM), k.PM < 1<<16; {
	case k.PM == 0:
	case k.PMMemory:
		if va, ok = mapRegisters(c, k.PM, 4); ok {
			clock.UsePMTimer(va, true, k.PM32)
			break
		}
		badAddress(c, clock.PMTimer, k.PM)
	case ok:
		clock.UsePMTimer(va, false, k.PM32)
	default:
		badAddress(c, clock.PMTimer, k.PM)
	}
	freezeCounters()
	for kind := range clock.PIT {
		r := clock.CounterOf(kind)
		var l console.Line
		l.Str("clock: ").Str(kind.String())
		switch {
		case !r.Found():
		case r.Probe():
			console.Log(c, console.Debug, l.Str(": ").Dec(uint64(r.Bits)).Str(" bits at ").Dec(r.Hz()/1000).Str(" kHz").Bytes())
		default:
			console.Warn(c, l.Str(": ").Str(r.Problem).Str(": not used"))
		}
	}
}

// mapRegisters maps n bytes of registers. ok is false at an address where RAM is, or that no
// page table can hold: writing there would destroy something.
func mapRegisters(c *percpu.CPU, addr uint64, n uint64) (va uintptr, ok bool) {
	end := addr + n
	if addr&3 != 0 || end < addr || end > physicalLimit() {
		return 0, false
	}
	for page := addr &^ (layout.PageSize - 1); page < end; page += layout.PageSize {
		if memory.RAM.Has(memmap.Range{Start: page, End: page + layout.PageSize}) {
			return 0, false
		}
	}
	return mem.MapPhys(c, mem.PhysAddr(addr), uintptr(n), mem.Device), true
}

func badAddress(c *percpu.CPU, kind clock.Kind, addr uint64) {
	var l console.Line
	console.Warn(c, l.Str("clock: ").Str(kind.String()).Str(" at ").Hex(addr).Str(", where it cannot be: not used"))
}

// counterFaults are the injected faults of counters. Package inject reports words fault= that
// mean nothing.
var counterFaults = [clock.Kinds]string{clock.HPET: "fault=hpet:still", clock.PMTimer: "fault=pm:still", clock.PIT: "fault=pit:dead"}

// freezeCounters makes the counters stand still whose faults are on the command line.
func freezeCounters() {
	for kind := range clock.Kinds {
		if cmdline.Has(info.CommandLine, counterFaults[kind]) {
			clock.CounterOf(kind).Freeze()
		}
	}
}
