package start

import (
	"unsafe"

	"muster/kernel/abi"
	"muster/kernel/apic"
	"muster/kernel/console"
	"muster/kernel/cpu"
	"muster/kernel/ipi"
	"muster/kernel/layout"
	"muster/kernel/linux"
	"muster/kernel/lock"
	"muster/kernel/mem"
	"muster/kernel/percpu"
	"muster/kernel/sched"
	"muster/kernel/trap"
)

// irqLine is what a device vector leads to.
type irqLine struct {
	used   bool
	gsi    uint32
	level  bool
	action uint64
	event  *linux.File // counts the interrupts; a goroutine waits for it
}

// lines maps vectors; a vector is the same on all CPUs. A line is set up before
// its interrupts are admitted and never changes after, so handlers read without
// irqMu.
var irqs struct {
	lines [256]irqLine
	input *linux.File // event of the console's line
}

var irqMu = lock.Spin{Rank: lock.RankIOAPIC} // guards the search for a free line

// ioapics is a list in the order in which they were added.
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

// interrupt answers an external interrupt. See upcall.Table. The local APIC is told
// of the end before a handler, since that may lead to a switch of threads.
func interrupt(c *percpu.CPU, f *cpu.Frame, vector uint8) {
	if k := kindOf(vector); k < ipi.Kinds { // first: it is the most frequent one
		apic.EOI()
		if asked := ipi.Take(c, k); asked != 1<<ipi.Reschedule {
			answer(c, f, asked)
			return
		}
		c.Resched = 1
		return
	}
	switch vector {
	case trap.VecTimer:
		apic.EOI()
		timer(c, f)
	case trap.VecError:
		apic.EOI()
		apicError(c)
	case trap.VecSpurious: // has no end
	default:
		if apic.Legacy() && vector >= trap.VecPIC && vector < trap.VecPIC+16 {
			legacyInterrupt(c, vector-trap.VecPIC)
		} else if vector >= trap.VecDeviceFirst && vector <= trap.VecDeviceLast {
			deviceInterrupt(c, &irqs.lines[vector])
		} else { // nobody's: without an end it would block all lower ones
			apic.EOI()
		}
	}
}

// apicError reports what the local APIC did not like.
func apicError(c *percpu.CPU) {
	var l console.Line
	console.Warn(c, l.Str("apic: error status ").Hex(uint64(apic.ClearErrors())))
}

// deviceInterrupt is the top half of a device's line: a level line is masked
// until its goroutine has served the device.
func deviceInterrupt(c *percpu.CPU, l *irqLine) {
	if !l.used {
		apic.EOI()
		return
	}
	if l.level {
		if a := findIOAPIC(l.gsi); a != nil {
			a.Mask(c, l.gsi, true)
		}
	}
	apic.EOI()
	if l.action == abi.ActionConsole {
		console.Interrupt(c)
	} else if l.event != nil {
		l.event.Signal(c)
	}
}

// consoleInput tells the goroutine that reads the keyboard. See upcall.Table.
func consoleInput(c *percpu.CPU) {
	if irqs.input != nil {
		irqs.input.Signal(c)
	}
}

// legacyInterrupt answers the 8259s, on a machine without a local APIC.
func legacyInterrupt(c *percpu.CPU, irq uint8) {
	if !apic.LegacyEOI(irq) {
		return // spurious
	}
	switch irq {
	case 0:
		sched.TimerInterrupt(c)
	case console.IRQ:
		console.Interrupt(c)
	}
}

// addIOAPIC maps an I/O APIC and masks its inputs.
func addIOAPIC(c *percpu.CPU, t *linux.Task, f *cpu.Frame) (*percpu.CPU, uint64) {
	if apic.Legacy() {
		return c, linux.Fail(linux.ENODEV) // it would have nobody to send to
	}
	a := (*ioapic)(unsafe.Pointer(mem.AllocMapped(c, unsafe.Sizeof(ioapic{}), 64)))
	va := mem.MapPhys(c, mem.PhysAddr(f.SI), layout.PageSize, mem.Device)
	a.Init(c, va, uint8(f.DI), uint32(f.DX))
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

// bindIRQ gives a global system interrupt a vector and admits it, to CPU 0.
func bindIRQ(c *percpu.CPU, t *linux.Task, f *cpu.Frame) (*percpu.CPU, uint64) {
	gsi, flags, action := uint32(f.DI), f.SI, f.DX
	event := linux.EventOf(c, t, f.R10)
	if event == nil {
		return c, linux.Fail(linux.EBADF)
	}
	if apic.Legacy() {
		if gsi != console.IRQ || action != abi.ActionConsole {
			return c, linux.Fail(linux.ENODEV)
		}
		irqs.input = event
		apic.LegacyUnmask(uint8(gsi))
		console.UseInterrupts(c)
		return c, trap.VecPIC + uint64(gsi)
	}
	a := findIOAPIC(gsi)
	if a == nil {
		return c, linux.Fail(linux.ENODEV)
	}
	to := percpu.Get(0).APICID
	if to > maxDestination {
		return c, linux.Fail(linux.ERANGE)
	}
	vector := freeVector(c, irqLine{used: true, gsi: gsi, level: flags&abi.IRQLevel != 0, action: action, event: event})
	if vector == 0 {
		return c, linux.Fail(linux.EBUSY)
	}
	if action == abi.ActionConsole {
		irqs.input = event
	}
	a.Route(c, gsi, vector, to, flags&abi.IRQLow != 0, flags&abi.IRQLevel != 0)
	if action == abi.ActionConsole {
		console.UseInterrupts(c)
	}
	return c, uint64(vector)
}

// freeVector gives a line a vector, from the highest class down; 0 when there is none.
func freeVector(c *percpu.CPU, l irqLine) uint8 {
	irqMu.Lock(c)
	v := trap.VecDeviceLast
	for v >= trap.VecDeviceFirst && irqs.lines[v].used {
		v--
	}
	if v >= trap.VecDeviceFirst {
		irqs.lines[v] = l
	} else {
		v = 0
	}
	irqMu.Unlock(c)
	return uint8(v)
}

// unmaskIRQ admits a level line again, whose device was served.
func unmaskIRQ(c *percpu.CPU, t *linux.Task, f *cpu.Frame) (*percpu.CPU, uint64) {
	a := findIOAPIC(uint32(f.DI))
	if a == nil {
		return c, linux.Fail(linux.ENODEV)
	}
	a.Mask(c, uint32(f.DI), false)
	return c, 0
}
