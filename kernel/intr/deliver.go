package intr

import (
	"muster/kernel/abi"
	"muster/kernel/apic"
	"muster/kernel/clock"
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
		c.Count(abi.CountUnclaimed)
		return
	}
	t.counts[n-1]++
	lines[n-1].deliver(c)
}

// deliver masks a level-triggered line until its device has been served: by the handler, or
// by the goroutine. A line that storms stays masked.
func (l *line) deliver(c *percpu.CPU) {
	if !l.level {
		apic.EOI()
		l.serve(c)
		return
	}
	l.io.Mask(c, l.gsi, true)
	apic.EOI()
	if l.action == abi.ActionEvent {
		// It counts as a stray until the goroutine says that it was its device's. The goroutine may
		// say so, and unmask the line, on another CPU as soon as it is woken: so it comes last.
		if l.stray(clock.Now()) {
			l.stop(c)
		}
		l.serve(c)
		return
	}
	served := l.serve(c)
	switch {
	case served:
		l.run = 0
		l.io.Mask(c, l.gsi, false)
	case l.stray(clock.Now()):
		l.stop(c)
	default:
		l.io.Mask(c, l.gsi, false)
	}
}

// serve does what the line's action says. It reports whether the device had a reason to
// interrupt, as far as the handler sees that.
func (l *line) serve(c *percpu.CPU) bool {
	switch l.action {
	case abi.ActionConsole:
		return onConsole(c, l.event)
	case abi.ActionStdio:
		return linux.StdioInterrupt(c, l.event)
	case abi.ActionControl:
		return linux.ControlInterrupt(c, l.event)
	case abi.ActionEvent:
		signal(c, l.event)
	}
	return false
}

// signal counts an interrupt in an eventfd, but in models.
var signal = func(c *percpu.CPU, event *linux.File) { event.Signal(c) }

// onConsole empties and fills the serial port, and wakes the threads that wait for
// it.
func onConsole(c *percpu.CPU, event *linux.File) (cause bool) {
	input, space, cause := console.Interrupt(c)
	if input {
		event.Signal(c)
	}
	if space {
		linux.ConsoleSpace(c)
	}
	return cause
}
