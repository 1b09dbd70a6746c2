// Package power returns the steps on registers that switch the machine off or reset
// it. The core takes them when all other CPUs have stopped.
//
// Layer: pure.
// Context: any goroutine.
// Locks: none.
// Manual: ACPI Specification 6.5, "PM1 Control Registers", "Reset Register",
// "Sleep Control and Status Registers".
// Chapter: docs/07-acpi.md.
package power

import (
	"errors"
	"time"

	"muster/kernel/acpi"
)

// Op is the kind of a step.
type Op uint8

// Ops. After Write and Modify a step waits for its Wait; Wait bounds Await.
const (
	Write  Op = iota // write Value
	Modify           // clear the bits of Mask, set those of Value
	Await            // until the bits of Mask are those of Value
)

// Step is one access to a register.
type Step struct {
	Op    Op
	Space acpi.Space // memory or I/O
	Bytes uint8      // 1, 2 or 4
	Addr  uint64
	Mask  uint32
	Value uint32
	Wait  time.Duration
}

// Bits of the PM1 control registers, and of the sleep control register of
// machines with reduced hardware.
const (
	sciEnable      = 1 << 0
	sleepShift     = 10
	sleepTypes     = 7 << sleepShift
	sleepEnable    = 1 << 13
	controlShift   = 2
	controlEnable  = 1 << 5
	enableTimeout  = 3 * time.Second // Linux waits as long
	offTimeout     = time.Second
	resetTimeout   = 50 * time.Millisecond
	keyboardStatus = 0x64
	keyboardBusy   = 1 << 1
	pulseReset     = 0xfe
	resetControl   = 0xcf9
)

// Reasons for which the machine cannot be switched off.
var (
	ErrNoFADT      = errors.New("power: no FADT")
	ErrNoS5        = errors.New(`power: no \_S5 package`)
	ErrNoRegisters = errors.New("power: no register to switch off with")
)

// Off returns the steps that switch a machine off by ACPI's state S5.
func Off(f *acpi.FADT, s5 *acpi.Sleep) ([]Step, error) {
	switch {
	case f == nil:
		return nil, ErrNoFADT
	case s5 == nil:
		return nil, ErrNoS5
	}
	types := [2]uint32{uint32(s5.TypeA), uint32(s5.TypeB)}
	controls := f.PM1Controls()
	if len(controls) == 0 {
		if f.SleepCtl == nil || !usable(*f.SleepCtl) {
			return nil, ErrNoRegisters
		}
		s := step(Write, *f.SleepCtl, 1)
		s.Value, s.Wait = types[0]<<controlShift|controlEnable, offTimeout
		return []Step{s}, nil
	}
	var list []Step
	for _, c := range controls {
		if !usable(c) {
			return nil, ErrNoRegisters
		}
	}
	if f.SMICommand != 0 && f.ACPIEnable != 0 {
		list = append(list, enable(f, controls[0])...)
	}
	for pass := range 2 { // the types in the first pass, the bit that takes effect in the second
		for i, c := range controls {
			s := step(Modify, c, 2)
			s.Mask, s.Value = sleepTypes|sleepEnable, types[i]<<sleepShift
			if pass == 1 {
				s.Value |= sleepEnable
			}
			list = append(list, s)
		}
	}
	list[len(list)-1].Wait = offTimeout
	return list, nil
}

// enable takes the registers over from the firmware, if the firmware has not handed
// them over yet.
func enable(f *acpi.FADT, control acpi.GAS) []Step {
	wait := step(Await, control, 2)
	wait.Mask, wait.Value, wait.Wait = sciEnable, sciEnable, enableTimeout
	return []Step{{Op: Write, Space: acpi.SpaceIO, Bytes: 1, Addr: uint64(f.SMICommand), Value: uint32(f.ACPIEnable)}, wait}
}

// Reset returns the steps that reset the machine: the FADT's register, the
// chipset's, the keyboard controller's. f may be nil. If no step has an effect, a
// triple fault is left.
func Reset(f *acpi.FADT) (list []Step) {
	if f != nil {
		if reg, value := f.Reset(); reg != nil && usable(*reg) {
			s := step(Write, *reg, 1)
			s.Value, s.Wait = uint32(value), resetTimeout
			list = append(list, s)
		}
	}
	port := func(op Op, addr uint64, mask, value uint32, wait time.Duration) {
		list = append(list, Step{op, acpi.SpaceIO, 1, addr, mask, value, wait})
	}
	// Bit 1 chooses a reset of the whole machine, bit 2 starts it.
	port(Write, resetControl, 0, 0x02, 50*time.Microsecond)
	port(Write, resetControl, 0, 0x06, resetTimeout)
	port(Await, keyboardStatus, keyboardBusy, 0, 10*time.Millisecond)
	port(Write, keyboardStatus, 0, pulseReset, resetTimeout)
	return list
}

func usable(g acpi.GAS) bool { return g.Space == acpi.SpaceIO || g.Space == acpi.SpaceMemory }

func step(op Op, g acpi.GAS, bytes uint8) Step {
	return Step{Op: op, Space: g.Space, Bytes: bytes, Addr: g.Address}
}
