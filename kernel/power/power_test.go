package power

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"muster/kernel/acpi"
)

func port(op Op, bytes uint8, addr uint64, mask, value uint32, wait time.Duration) Step {
	return Step{op, acpi.SpaceIO, bytes, addr, mask, value, wait}
}

func TestOff(t *testing.T) {
	f := &acpi.FADT{PM1aControl: 0x604, PM1bControl: 0x704, PM1CtlLen: 2, SMICommand: 0xb2, ACPIEnable: 2}
	steps, err := Off(f, &acpi.Sleep{TypeA: 5, TypeB: 1})
	require.NoError(t, err)
	require.Equal(t, []Step{
		port(Write, 1, 0xb2, 0, 2, 0),
		port(Await, 2, 0x604, 1, 1, 3*time.Second),
		port(Modify, 2, 0x604, 0x3c00, 0x1400, 0), port(Modify, 2, 0x704, 0x3c00, 0x0400, 0),
		port(Modify, 2, 0x604, 0x3c00, 0x3400, 0), port(Modify, 2, 0x704, 0x3c00, 0x2400, time.Second),
	}, steps)
}

func TestOffReducedHardware(t *testing.T) {
	f := &acpi.FADT{Flags: acpi.FlagHardwareReduced, PM1aControl: 0x604, SleepCtl: &acpi.GAS{Address: 0xfe000000}}
	steps, err := Off(f, &acpi.Sleep{TypeA: 5})
	require.NoError(t, err)
	require.Equal(t, []Step{{Write, acpi.SpaceMemory, 1, 0xfe000000, 0, 5<<2 | 1<<5, time.Second}}, steps)
}

func TestOffErrors(t *testing.T) {
	s5 := &acpi.Sleep{}
	_, err := Off(nil, s5)
	require.ErrorIs(t, err, ErrNoFADT)
	_, err = Off(&acpi.FADT{}, nil)
	require.ErrorIs(t, err, ErrNoS5)
	_, err = Off(&acpi.FADT{}, s5)
	require.ErrorIs(t, err, ErrNoRegisters)
	_, err = Off(&acpi.FADT{XPM1aCtl: &acpi.GAS{Space: acpi.SpacePCI, Address: 4}}, s5)
	require.ErrorIs(t, err, ErrNoRegisters)
}

func TestReset(t *testing.T) {
	rest := []Step{
		port(Write, 1, 0xcf9, 0, 2, 50*time.Microsecond), port(Write, 1, 0xcf9, 0, 6, 50*time.Millisecond),
		port(Await, 1, 0x64, 2, 0, 10*time.Millisecond), port(Write, 1, 0x64, 0, 0xfe, 50*time.Millisecond),
	}
	require.Equal(t, rest, Reset(nil))
	value := uint8(15)
	f := &acpi.FADT{Flags: acpi.FlagReset, ResetReg: &acpi.GAS{Space: acpi.SpaceIO, Address: 0xcf9}, ResetValue: &value}
	require.Equal(t, append([]Step{port(Write, 1, 0xcf9, 0, 15, 50*time.Millisecond)}, rest...), Reset(f))
	f.ResetReg.Space = acpi.SpacePCI // not a register that can be written here
	require.Equal(t, rest, Reset(f))
}
