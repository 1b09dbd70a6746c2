// Package button waits for the ACPI power button: a fixed event, whose status and enable bits are in
// the PM1 event registers, and whose interrupt is the SCI.
//
// Layer: pure.
// Context: one goroutine opens a button and waits for it.
// Locks: none.
// Manual: ACPI Specification 6.5, "Power Button", "PM1 Event Grouping", "Legacy/ACPI Select and the SCI
// Interrupt".
// Chapter: docs/13-devices.md.
// Left out: buttons that are control methods, because they need an interpreter for AML; the sleep button.
package button

import (
	"errors"
	"fmt"
	"time"

	"muster/kernel/acpi"
)

// Machine is the registers of power management, and time. A register has 1 or 2 bytes.
type Machine interface {
	Read(g acpi.GAS, bytes int) uint16
	Write(g acpi.GAS, bytes int, v uint16)
	Now() time.Time
	Sleep(time.Duration)
}

// Bits of the PM1 registers.
//
// Source: ACPI Specification 6.5, "PM1 Status Registers", "PM1 Enable Registers", "PM1 Control
// Registers".
const (
	pressed   = 1 << 8 // in the status and in the enable register
	sciEnable = 1 << 0 // in the control register: the machine is in ACPI mode
	absent    = 0xffff // what a register reads that does not exist
)

// Limits on an idle machine.
const (
	limitMode = 3 * time.Second        // for the firmware to give up the registers; Linux waits as long
	pauseMode = time.Millisecond       // between two looks at that
	Interval  = 200 * time.Millisecond // between two looks at a button without an interrupt
)

// A storm is maxStray interrupts in a window that are not the button's.
const (
	maxStray = 100
	window   = time.Second
)

// Reasons for which there is no button, or no interrupt of it.
var (
	ErrReduced  = errors.New("the hardware is of the reduced kind, whose buttons are control methods, and those need AML")
	ErrMethod   = errors.New("the firmware says that it is a control method, and that needs AML")
	ErrNoBlock  = errors.New("the FADT names no registers of events")
	ErrSpace    = errors.New("its registers are neither ports nor memory")
	ErrMode     = errors.New("the firmware does not switch to ACPI mode")
	ErrNoAnswer = errors.New("its registers do not answer")
	ErrStuck    = errors.New("its status bit cannot be cleared")
	ErrStorm    = errors.New("interrupts without a cause")
)

// Button is a power button that can be waited for.
type Button struct {
	m      Machine
	blocks []acpi.EventBlock
}

// Open switches the machine to ACPI mode, disables all events, and forgets a press so far. scale
// lengthens the wait for the firmware, as on a slow host.
func Open(m Machine, f *acpi.FADT, scale int) (*Button, error) {
	switch {
	case f.Flags&acpi.FlagHardwareReduced != 0:
		return nil, ErrReduced
	case f.Flags&acpi.FlagPowerButton != 0:
		return nil, ErrMethod
	}
	b := &Button{m, f.PM1Events()}
	if len(b.blocks) == 0 {
		return nil, ErrNoBlock
	}
	gpes, controls := f.GPEs(), f.PM1Controls()
	for _, e := range append(append([]acpi.EventBlock{}, b.blocks...), gpes...) {
		if !usable(e.Status) {
			return nil, ErrSpace
		}
	}
	if err := b.takeOver(f, controls, time.Duration(max(scale, 1))); err != nil {
		return nil, err
	}
	for _, e := range b.blocks {
		m.Write(e.Enable, 2, 0)
		m.Write(e.Status, 2, pressed)
		switch v := m.Read(e.Status, 2); {
		case v == absent:
			return nil, ErrNoAnswer
		case v&pressed != 0:
			return nil, ErrStuck
		}
	}
	for _, e := range gpes { // nothing here serves them, and they share the interrupt
		for i := range uint64(e.Enable.BitWidth / 8) {
			one := e.Enable
			one.Address += i
			m.Write(one, 1, 0)
		}
	}
	return b, nil
}

func usable(g acpi.GAS) bool { return g.Space == acpi.SpaceIO || g.Space == acpi.SpaceMemory }

// takeOver requests the registers from the firmware, if it has not handed them over yet. A machine without
// a port for the request is always in ACPI mode.
func (b *Button) takeOver(f *acpi.FADT, controls []acpi.GAS, scale time.Duration) error {
	if f.SMICommand == 0 || f.ACPIEnable == 0 || len(controls) == 0 || !usable(controls[0]) {
		return nil
	}
	inMode := func() bool { return b.m.Read(controls[0], 2)&sciEnable != 0 }
	if inMode() {
		return nil
	}
	b.m.Write(acpi.GAS{Space: acpi.SpaceIO, Address: uint64(f.SMICommand)}, 1, uint16(f.ACPIEnable))
	limit := limitMode * scale
	for end := b.m.Now().Add(limit); !inMode(); b.m.Sleep(pauseMode) {
		if b.m.Now().After(end) {
			return fmt.Errorf("%w within %v", ErrMode, limit)
		}
	}
	return nil
}

// Enable lets the button raise the interrupt.
func (b *Button) Enable() {
	for _, e := range b.blocks {
		b.m.Write(e.Enable, 2, pressed)
	}
}

// take reports whether the button was pressed, and clears that.
func (b *Button) take() (was bool) {
	for _, e := range b.blocks {
		if v := b.m.Read(e.Status, 2); v != absent && v&pressed != 0 {
			b.m.Write(e.Status, 2, pressed)
			was = true
		}
	}
	return was
}

// Await returns nil when the button is pressed. wait returns when there was an interrupt, which may be that
// of another device at the same line; until the next wait the line is masked. An error means that there is
// no interrupt to wait for any more: the line stays masked.
func (b *Button) Await(wait func() error) error {
	stray, since := 0, b.m.Now()
	for !b.take() {
		if now := b.m.Now(); now.Sub(since) > window {
			stray, since = 0, now
		}
		if stray++; stray > maxStray {
			return ErrStorm
		}
		if err := wait(); err != nil {
			return err
		}
	}
	return nil
}

// Poll returns when the button is pressed, without an interrupt.
func (b *Button) Poll() {
	for !b.take() {
		b.m.Sleep(Interval)
	}
}
