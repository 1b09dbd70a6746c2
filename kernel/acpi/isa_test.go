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
