// Package intr leads device interrupts from a pin of an I/O APIC, or of the 8259s, or from
// a device's MSI, to the eventfd on which a goroutine waits.
//
// Layer: core.
// Context: private calls on a thread's stack; handlers as vector.Handler has it.
// Locks: mu guards the lines, and the vectors of all CPUs.
// Manual: Intel 82093AA I/O APIC data sheet; Intel 8259A data sheet; Intel SDM vol. 3A,
// "Message Signalled Interrupts".
// Chapter: docs/06-interrupts.md.
// Left out: interrupt remapping. So a device's interrupt reaches CPUs with APIC ids below
// 255 alone.
package intr

import (
	"unsafe"

	"muster/kernel/abi"
	"muster/kernel/apic"
	"muster/kernel/cross"
	"muster/kernel/layout"
	"muster/kernel/linux"
	"muster/kernel/lock"
	"muster/kernel/mem"
	"muster/kernel/percpu"
	"muster/kernel/vector"
)

var mu = lock.Spin{Rank: lock.RankIOAPIC}

// ioapic is an I/O APIC in use. The list is in the order in which they were added. It is
// not of package list, since handlers read it without a lock: an I/O APIC is never removed,
// and one store appends it when it is complete.
type ioapic struct {
	apic.IOAPIC
	next *ioapic
}

var ioapics *ioapic

// findIOAPIC returns the I/O APIC of a global system interrupt, nil if there is none. Where
// one has more inputs than there are numbers up to the next, the next has the number.
func findIOAPIC(gsi uint32) (best *ioapic) {
	for a := ioapics; a != nil; a = a.next {
		if a.Has(gsi) && (best == nil || a.GSIBase > best.GSIBase) {
			best = a
		}
	}
	return best
}

// maxInputs is the largest number of inputs that an I/O APIC can have.
//
// Source: Intel 82093AA data sheet, "I/O APIC Version Register".
const maxInputs = 240

// Install makes this package handle all vectors of devices.
//
// Context: boot CPU, on a machine with a local APIC, before it enables interrupts.
func Install() {
	for v := vector.DeviceFirst; v <= vector.DeviceLast; v++ {
		vector.Handle(uint8(v), onDevice)
	}
	cross.Handle(abi.CallHolds, onHolds)
}

// AddIOAPIC maps the I/O APIC at a physical address and masks its inputs. The
// result is their number. ENODEV says that there is no local APIC to receive its
// interrupts.
func AddIOAPIC(c *percpu.CPU, _ *linux.Task, id uint8, addr uint64, gsiBase uint32) (*percpu.CPU, uint64) {
	if apic.Legacy() {
		return c, linux.Fail(linux.ENODEV)
	}
	a := (*ioapic)(unsafe.Pointer(mem.AllocMapped(c, unsafe.Sizeof(ioapic{}), 64)))
	va := mem.MapPhys(c, mem.PhysAddr(addr), layout.PageSize, mem.Device)
	a.Init(c, va, id, gsiBase)
	if a.Inputs > maxInputs { // it reads as all ones
		return c, linux.Fail(linux.EIO)
	}
	end := &ioapics
	for *end != nil {
		end = &(*end).next
	}
	*end = a
	return c, uint64(a.Inputs)
}

// target returns the CPU with a number if device interrupts can go to it.
func target(number int) (*percpu.CPU, linux.Errno) {
	o := percpu.Find(number)
	switch {
	case o == nil:
		return nil, linux.EINVAL
	case apic.Legacy() || !o.IsOnline():
		return nil, linux.ENODEV
	case o.APICID > abi.MaxIRQAPICID:
		return nil, linux.ERANGE
	}
	return o, 0
}
