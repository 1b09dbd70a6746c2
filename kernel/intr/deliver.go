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

// onDevice is the top half of a device's interrupt: it finds the line of the vector on this
// CPU.
func onDevice(c *percpu.CPU, f *cpu.Frame) {
	t, n := vectorsOf(c), uint32(0)
	if t != nil {
		n = t.line[uint8(f.Vector)-vector.DeviceFirst].Load()
	}
	if n == 0 {
		apic.EOI()
		return
	}
	t.counts[n-1]++
	lines[n-1].deliver(c)
}

// deliver masks a level-triggered line until its device has been served: by the handler, or
// by the goroutine.
func (l *line) deliver(c *percpu.CPU) {
	if !l.level {
		apic.EOI()
		l.serve(c)
		return
	}
	l.io.Mask(c, l.gsi, true)
	apic.EOI()
	l.serve(c)
	if l.served() {
		l.io.Mask(c, l.gsi, false)
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
	case abi.ActionNothing:
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
