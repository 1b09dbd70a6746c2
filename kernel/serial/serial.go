// Package serial reads the keyboard through COM1.
//
// Layer: service.
// Context: one reader.
// Locks: none.
// Chapter: docs/06-interrupts.md.
package serial

import (
	"muster/kernel/abi"
	"muster/kernel/acpi"
	"muster/kernel/irq"
	"muster/kernel/kcall"
)

// Port is the receiving side of the serial port.
type Port struct{ event *irq.Event }

// Open routes the port's interrupt.
func Open(line acpi.Line) (*Port, error) {
	e, err := irq.Bind(line, abi.ActionConsole)
	if err != nil {
		return nil, err
	}
	return &Port{e}, nil
}

// Read returns received bytes, and waits while there are none.
func (p *Port) Read(b []byte) (int, error) {
	for {
		if n := kcall.ConsoleRead(b); n > 0 {
			return n, nil
		}
		if err := p.event.Wait(); err != nil {
			return 0, err
		}
	}
}
