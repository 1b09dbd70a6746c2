// Package serial reads the keyboard through the console's serial port.
//
// Layer: service.
// Context: one reader.
// Locks: none.
// Chapter: docs/06-interrupts.md.
package serial

import (
	"time"

	"muster/kernel/abi"
	"muster/kernel/acpi"
	"muster/kernel/irq"
	"muster/kernel/kcall"
	"muster/kernel/klog"
)

// Port is the receiving side of the console's serial port.
type Port struct {
	event *irq.Event // nil: Read polls
}

// irqs are the ISA interrupts of the ports that have one on every PC. COM3 and COM4 share
// them at best, so those are polled.
var irqs = map[uintptr]uint8{0x3f8: 4, 0x2f8: 3}

// Interval is the time between two polls, that of a tick. A UART's FIFO holds 16 bytes.
const Interval = 10 * time.Millisecond

// Open returns the console's port. line returns how an ISA interrupt is wired. Without an
// interrupt the port is polled. nil: there is no port.
func Open(line func(irq uint8) acpi.Line) *Port {
	where, err := kcall.ConsolePorts()
	if err != nil {
		klog.Infof("serial: no port answers")
		return nil
	}
	p := new(Port)
	if number, ok := irqs[where.Addr]; ok && where.Memory == 0 {
		if p.event, err = irq.Bind("console", line(number), abi.ActionConsole); err != nil {
			klog.Warnf("serial: no interrupt of the port at %#x, it is polled: %v", where.Addr, err)
		}
	}
	klog.Infof("serial: console at %#x, ports with the log beside it: %d", where.Addr, where.Mirrors)
	if where.Mirrors > 0 && p.event != nil {
		go func() {
			for {
				time.Sleep(Interval)
				kcall.PollConsole()
			}
		}()
	}
	return p
}

// Read returns received bytes, and waits while there are none.
func (p *Port) Read(b []byte) (int, error) {
	for {
		if p.event == nil {
			kcall.PollConsole()
		}
		if n := kcall.ConsoleRead(b); n > 0 {
			return n, nil
		}
		if p.event == nil {
			time.Sleep(Interval)
			continue
		}
		if err := p.event.Wait(); err != nil {
			return 0, err
		}
	}
}
