package apic

import (
	"muster/kernel/clock"
	"muster/kernel/cpu"
)

// A machine without a local APIC has the 8254 for a timer and the 8259s for
// everything else. It has one CPU, so nothing here is shared.

var legacy bool

// UseLegacy makes the 8254 the timer and lets the 8259s interrupt from vector on. A local APIC
// that CPUID denies is disabled: it may mask the pin by which the 8259s interrupt, and disabled
// it lets them through. QEMU gives such a one to each of several CPUs.
//
// Context: boot CPU, on a machine without a local APIC.
// Source: Intel SDM vol. 3A, "Enabling or Disabling the Local APIC".
func UseLegacy(vector uint8) {
	legacy = true
	if v, ok := cpu.TryReadMSR(cpu.MSRAPICBase); ok && v&cpu.APICBaseEnable != 0 {
		cpu.WriteMSR(cpu.MSRAPICBase, v&^cpu.APICBaseEnable)
	}
	RetirePIC(vector)
	LegacyUnmask(2) // the second 8259 is on input 2
}

// Legacy reports whether UseLegacy was called.
func Legacy() bool { return legacy }

// LegacyUnmask unmasks an ISA interrupt.
func LegacyUnmask(irq uint8) {
	port := maskPort(irq)
	cpu.Out8(port, cpu.In8(port)&^(1<<(irq&7)))
}

// LegacyMask masks an ISA interrupt.
func LegacyMask(irq uint8) {
	port := maskPort(irq)
	cpu.Out8(port, cpu.In8(port)|1<<(irq&7))
}

// maskPort returns the port of the masks of an ISA interrupt's controller.
func maskPort(irq uint8) uint16 {
	if irq >= 8 {
		return pic2Data
	}
	return pic1Data
}

// LegacyEOI ends an ISA interrupt. It reports false for a spurious one: the
// controller raises its last line when a request has ended too early.
//
// Source: Intel 8259A data sheet, "Interrupt Sequence".
func LegacyEOI(irq uint8) (real bool) {
	const readISR, endOfInterrupt = 0x0b, 0x20
	real = true
	if irq == 7 || irq == 15 {
		port := uint16(pic1Command)
		if irq == 15 {
			port = pic2Command
		}
		cpu.Out8(port, readISR)
		real = cpu.In8(port)&0x80 != 0
	}
	if irq >= 8 {
		if real {
			cpu.Out8(pic2Command, endOfInterrupt)
		}
		cpu.Out8(pic1Command, endOfInterrupt) // the line between the two
	} else if real {
		cpu.Out8(pic1Command, endOfInterrupt)
	}
	return real
}

// The 8254's channel 0, which interrupts on line 0.
const (
	pitHz       = 1193182
	pitChannel0 = 0x40
	pitCommand  = 0x43
	pitOneShot  = 0x30 // channel 0, low then high byte, mode 0
)

// armLegacy makes the 8254 interrupt once, d from now, at most 54 ms.
func armLegacy(d clock.Time) {
	n := legacyCounts(d)
	cpu.Out8(pitCommand, pitOneShot)
	cpu.Out8(pitChannel0, uint8(n))
	cpu.Out8(pitChannel0, uint8(n>>8))
}

// legacyError is the part of a time by which the clock may differ from the 8254, as a shift: 120 millionths.
const legacyError = 13

// legacyCounts returns the counts that take d, not less: see counts.
func legacyCounts(d clock.Time) uint16 {
	d = min(max(d, 0), 54*clock.Millisecond)
	return uint16(uint64(d+d>>legacyError)*pitHz/1e9 + 2)
}
