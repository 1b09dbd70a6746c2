package acpi

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// A table of revision 1 does not say whether there is a PS/2 controller.
func TestNo8042(t *testing.T) {
	for _, tc := range []struct {
		revision uint8
		flags    BootArch
		want     bool
	}{{1, 0, false}, {3, 0, true}, {3, Has8042, false}, {6, LegacyDevices, true}} {
		require.Equal(t, tc.want, (&FADT{revision: tc.revision, BootArch: tc.flags}).No8042(), tc)
	}
}

// A block of events is two registers of half its size. A machine with reduced hardware has none.
func TestEventBlocks(t *testing.T) {
	io := func(addr uint64, bits uint8) GAS { return GAS{Space: SpaceIO, BitWidth: bits, Address: addr} }
	f := &FADT{PM1aEvent: 0x600, PM1EventLen: 4, GPE0: 0x620, GPE0Len: 16, GPE1Len: 4, GPE1: 0x640,
		XPM1bEvent: &GAS{Space: SpaceMemory, BitWidth: 32, Address: 0xfe000000}}
	require.Equal(t, []EventBlock{{io(0x600, 16), io(0x602, 16)},
		{GAS{Space: SpaceMemory, BitWidth: 16, Address: 0xfe000000}, GAS{Space: SpaceMemory, BitWidth: 16, Address: 0xfe000002}}}, f.PM1Events())
	require.Equal(t, []EventBlock{{io(0x620, 64), io(0x628, 64)}, {io(0x640, 16), io(0x642, 16)}}, f.GPEs())
	f.Flags = FlagHardwareReduced
	require.Empty(t, f.PM1Events())
	require.Empty(t, f.GPEs())
	require.Empty(t, (&FADT{PM1aEvent: 0x600, PM1EventLen: 2}).PM1Events(), "too short for two registers of 16 bits")
	require.Empty(t, (&FADT{GPE0: 0x620, GPE0Len: 3}).GPEs())
}
