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

// atPIC has the line of each input of the 8259s, plus one.
var atPIC [vector.PICLines]uint32

// InstallLegacy handles the interrupts of the 8259s that have no other handler,
// spurious ones among them.
//
// Context: boot CPU, on a machine without a local APIC, before it enables interrupts.
func InstallLegacy() {
	vector.HandleRest(onStrayLegacy)
}

// onStrayLegacy ends an interrupt that no device has claimed.
func onStrayLegacy(c *percpu.CPU, f *cpu.Frame) {
	if irq := f.Vector - vector.PIC; irq >= vector.PICLines || endLegacy(c, irq) {
		c.Count(abi.CountUnclaimed)
	}
}

// endLegacy ends an interrupt of the 8259s. It counts a spurious one, and reports false for
// it.
func endLegacy(c *percpu.CPU, irq uint64) (real bool) {
	if apic.LegacyEOI(uint8(irq)) {
		return true
	}
	if irq == 7 {
		c.Count(abi.CountSpurious7)
	} else {
		c.Count(abi.CountSpurious15)
	}
	return false
}

// bindLegacy claims an edge-triggered interrupt of the 8259s, and unmasks it.
func bindLegacy(c *percpu.CPU, r *abi.IRQRequest, event *linux.File) (n uint32, e linux.Errno) {
	level := r.Action == abi.ActionEvent && r.Flags&abi.IRQLevel != 0
	if level || r.Flags&abi.IRQMessage != 0 || r.GSI >= vector.PICLines {
		return 0, linux.ENODEV
	}
	ready(c, c)
	mu.Lock(c)
	if n, e = claim(c, r, nil, event); e == 0 {
		lines[n].level = false
		lines[n].now = route{c.ID, uint8(vector.PIC + r.GSI)}
		atPIC[r.GSI] = n + 1
	}
	mu.Unlock(c)
	if e == 0 {
		vector.Handle(uint8(vector.PIC+r.GSI), onLegacy)
		apic.LegacyUnmask(uint8(r.GSI))
	}
	return n, e
}

func onLegacy(c *percpu.CPU, f *cpu.Frame) {
	irq := f.Vector - vector.PIC
	if endLegacy(c, irq) {
		n := atPIC[irq] - 1
		vectorsOf(c).counts[n]++
		lines[n].serve(c)
	}
}
