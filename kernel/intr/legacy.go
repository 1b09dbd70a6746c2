package intr

import (
	"muster/kernel/abi"
	"muster/kernel/apic"
	"muster/kernel/cpu"
	"muster/kernel/linux"
	"muster/kernel/percpu"
	"muster/kernel/vector"
)

// Without a local APIC the interrupts of the serial ports and of the PS/2 keyboard come
// from the 8259s. The 8254's interrupt is the scheduler's.

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

// bindLegacy unmasks an edge-triggered interrupt of the 8259s, and returns its vector.
func bindLegacy(gsi, flags, action uint32, event *linux.File) (v uint8, e linux.Errno) {
	if action == abi.ActionEvent && flags&abi.IRQLevel != 0 || gsi >= vector.PICLines {
		return 0, linux.ENODEV
	}
	v = uint8(vector.PIC + gsi)
	if lines[v].used {
		return 0, linux.EBUSY
	}
	lines[v] = line{used: true, gsi: gsi, action: action, event: event}
	vector.Handle(v, onLegacy)
	apic.LegacyUnmask(uint8(gsi))
	return v, 0
}

func onLegacy(c *percpu.CPU, f *cpu.Frame) {
	l := &lines[uint8(f.Vector)]
	if apic.LegacyEOI(uint8(l.gsi)) {
		l.serve(c)
	}
}
