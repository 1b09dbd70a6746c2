package intr

import (
	"muster/kernel/abi"
	"muster/kernel/apic"
	"muster/kernel/console"
	"muster/kernel/cpu"
	"muster/kernel/linux"
	"muster/kernel/percpu"
	"muster/kernel/vector"
)

// Without a local APIC the serial port's interrupt comes from the 8259s. The 8254's
// interrupt is the scheduler's.

var legacyInput *linux.File // event of the console's line

// InstallLegacy handles the interrupts of the 8259s that have no other handler,
// spurious ones among them.
//
// Context: boot CPU, on a machine without a local APIC, before it enables interrupts.
func InstallLegacy() {
	vector.HandleRest(func(_ *percpu.CPU, f *cpu.Frame) {
		if irq := f.Vector - vector.PIC; irq < vector.PICLines {
			apic.LegacyEOI(uint8(irq))
		}
	})
}

// bindLegacy unmasks the console's interrupt, the only one that is used, and
// returns its vector.
func bindLegacy(gsi, action uint32, event *linux.File) (v uint8, e linux.Errno) {
	if gsi != console.IRQ || action != abi.ActionConsole {
		return 0, linux.ENODEV
	}
	legacyInput = event
	vector.Handle(vector.PIC+console.IRQ, onLegacyConsole)
	apic.LegacyUnmask(console.IRQ)
	return vector.PIC + console.IRQ, 0
}

func onLegacyConsole(c *percpu.CPU, _ *cpu.Frame) {
	if apic.LegacyEOI(console.IRQ) {
		onConsole(c, legacyInput)
	}
}
