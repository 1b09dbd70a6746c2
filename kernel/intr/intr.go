// Package intr leads device interrupts from a pin of an I/O APIC, or of the 8259s, to
// the eventfd on which a goroutine waits.
//
// Layer: core.
// Context: private calls on a thread's stack; handlers as vector.Handler has it.
// Locks: mu guards the search for a free vector.
// Manual: Intel 82093AA I/O APIC data sheet; Intel 8259A data sheet.
// Chapter: docs/06-interrupts.md.
package intr

import (
	"unsafe"

	"muster/kernel/abi"
	"muster/kernel/apic"
	"muster/kernel/console"
	"muster/kernel/cpu"
	"muster/kernel/layout"
	"muster/kernel/linux"
	"muster/kernel/lock"
	"muster/kernel/mem"
	"muster/kernel/percpu"
	"muster/kernel/vector"
)

// line is the destination of a device vector.
type line struct {
	used   bool
	gsi    uint32
	level  bool
	action uint32
	event  *linux.File // counts the interrupts; a goroutine waits for it
}

// lines maps vectors; a vector is the same on all CPUs. A line is complete before its
// handler is installed, and never changes after that, so handlers read without mu.
var lines [256]line

var mu = lock.Spin{Rank: lock.RankIOAPIC}

// ioapic is an I/O APIC in use. The list is in the order in which they were added. It is
// not of package list, since handlers read it without a lock: an I/O APIC is never removed,
// and one store appends it when it is complete.
type ioapic struct {
	apic.IOAPIC
	next *ioapic
}

var ioapics *ioapic

func findIOAPIC(gsi uint32) *ioapic {
	for a := ioapics; a != nil; a = a.next {
		if a.Has(gsi) {
			return a
		}
	}
	return nil
}

// onDevice is the top half of a device's line: a level-triggered line is masked until
// its goroutine has served the device.
func onDevice(c *percpu.CPU, f *cpu.Frame) {
	l := &lines[uint8(f.Vector)]
	if l.level {
		if a := findIOAPIC(l.gsi); a != nil {
			a.Mask(c, l.gsi, true)
		}
	}
	apic.EOI()
	l.serve(c)
	if l.level && l.served() {
		if a := findIOAPIC(l.gsi); a != nil {
			a.Mask(c, l.gsi, false)
		}
	}
}

// served reports whether the handler serves the device completely: no goroutine unmasks
// the line.
func (l *line) served() bool { return l.action == abi.ActionStdio || l.action == abi.ActionControl }

// serve does what the line's action says.
func (l *line) serve(c *percpu.CPU) {
	switch l.action {
	case abi.ActionConsole:
		onConsole(c, l.event)
	case abi.ActionStdio:
		linux.StdioInterrupt(c, l.event)
	case abi.ActionControl:
		linux.ControlInterrupt(c, l.event)
	default:
		l.event.Signal(c)
	}
}

// onConsole empties and fills the serial port, and wakes the threads that wait for
// it.
func onConsole(c *percpu.CPU, event *linux.File) {
	input, space := console.Interrupt(c)
	if input {
		event.Signal(c)
	}
	if space {
		linux.ConsoleSpace(c)
	}
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
	end := &ioapics
	for *end != nil {
		end = &(*end).next
	}
	*end = a
	return c, uint64(a.Inputs)
}

// maxDestination is the highest APIC id that fits the 8 bits of an I/O APIC's
// destination; 255 is all CPUs.
const maxDestination = 254

// Bind gives a global system interrupt a vector and routes it to CPU 0. flags say
// how the line is wired, action is abi.ActionEvent or another of them. The result is the
// vector.
func Bind(c *percpu.CPU, t *linux.Task, gsi, flags, action uint32, eventfd int) (*percpu.CPU, uint64) {
	c, event := linux.EventOf(c, t, uint64(eventfd))
	if event == nil {
		return c, linux.Fail(linux.EBADF)
	}
	var v uint8
	var e linux.Errno
	if apic.Legacy() {
		v, e = bindLegacy(gsi, flags, action, event)
	} else {
		v, e = bindIOAPIC(c, gsi, flags, action, event)
	}
	if e != 0 {
		return event.Release(c), linux.Fail(e) // otherwise the line keeps it
	}
	switch action {
	case abi.ActionConsole:
		console.UseInterrupts(c)
	case abi.ActionStdio:
		console.Stdio.UseInterrupts(c)
	case abi.ActionControl:
		console.Control.UseInterrupts(c)
	}
	return c, uint64(v)
}

// bindIOAPIC gives the line a vector, and routes it.
func bindIOAPIC(c *percpu.CPU, gsi, flags, action uint32, event *linux.File) (v uint8, e linux.Errno) {
	a := findIOAPIC(gsi)
	if a == nil {
		return 0, linux.ENODEV
	}
	to := percpu.Get(0).APICID
	if to > maxDestination {
		return 0, linux.ERANGE
	}
	if a.Firmware(c, gsi) {
		return 0, linux.EBUSY
	}
	level := flags&abi.IRQLevel != 0
	v = assign(c, line{used: true, gsi: gsi, level: level, action: action, event: event})
	if v == 0 {
		return 0, linux.EBUSY
	}
	vector.Handle(v, onDevice)
	a.Route(c, gsi, v, to, flags&abi.IRQLow != 0, level)
	return v, 0
}

// BindMSI gives a device's MSI a vector: a device sends it to a CPU's local APIC
// as a write to memory, so it has no line to mask.
func BindMSI(c *percpu.CPU, t *linux.Task, cpu, eventfd int) (*percpu.CPU, uint64) {
	to := percpu.Find(cpu)
	switch {
	case to == nil:
		return c, linux.Fail(linux.EINVAL)
	case apic.Legacy() || !to.IsOnline():
		return c, linux.Fail(linux.ENODEV)
	case to.APICID > maxDestination:
		return c, linux.Fail(linux.ERANGE)
	}
	c, event := linux.EventOf(c, t, uint64(eventfd))
	if event == nil {
		return c, linux.Fail(linux.EBADF)
	}
	v := assign(c, line{used: true, action: abi.ActionEvent, event: event})
	if v == 0 {
		return event.Release(c), linux.Fail(linux.EBUSY) // otherwise the line keeps it
	}
	vector.Handle(v, onDevice)
	return c, uint64(v)
}

// assign gives a line a vector, from the highest class down; 0 when none is free.
func assign(c *percpu.CPU, l line) uint8 {
	mu.Lock(c)
	v := vector.DeviceLast
	for v >= vector.DeviceFirst && lines[v].used {
		v--
	}
	if v >= vector.DeviceFirst {
		lines[v] = l
	} else {
		v = 0
	}
	mu.Unlock(c)
	return uint8(v)
}

// Unmask unmasks a level-triggered line after its device was served.
func Unmask(c *percpu.CPU, _ *linux.Task, gsi uint32) (*percpu.CPU, uint64) {
	a := findIOAPIC(gsi)
	if a == nil {
		return c, linux.Fail(linux.ENODEV)
	}
	a.Mask(c, gsi, false)
	return c, 0
}
