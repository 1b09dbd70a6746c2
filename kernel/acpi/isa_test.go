package acpi

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestISA(t *testing.T) {
	m := &MADT{Overrides: []Override{
		{0, 0, 2, 0}, {0, 9, 9, 0x0d}, {0, 10, 20, 0x0f}, {1, 4, 99, 0},
	}}
	require.Equal(t, Line{GSI: 2}, m.ISA(0), "bus default is edge, high")
	require.Equal(t, Line{GSI: 9, Level: true}, m.ISA(9))
	require.Equal(t, Line{GSI: 20, Low: true, Level: true}, m.ISA(10))
	require.Equal(t, Line{GSI: 4}, m.ISA(4), "another bus's override does not count")
}

// The SCI is level-triggered and active low, unless an override says otherwise.
func TestSCI(t *testing.T) {
	for _, tc := range []struct {
		flags INTI
		want  string
	}{
		{0, "GSI 20, level, active low"},
		{0x0d, "GSI 20, level, active high"},
		{0x0f, "GSI 20, level, active low"},
		{0x05, "GSI 20, edge, active high"},
		{0x01, "GSI 20, level, active high"},
	} {
		m := &MADT{Overrides: []Override{{0, 9, 20, tc.flags}}}
		require.Equal(t, tc.want, m.SCI(9).String())
	}
	require.Equal(t, "GSI 300, level, active low", (&MADT{Overrides: []Override{{0, 44, 1, 0}}}).SCI(300).String(), "a GSI, and no ISA interrupt 44")
}
