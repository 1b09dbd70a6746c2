package acpi

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func spcr(kind, space, width, access uint8, n int) Table {
	b := make([]byte, max(n, 80))
	copy(b, "SPCR")
	b[4], b[8] = byte(n), 2
	b[36] = kind
	b[40], b[41], b[43] = space, width, access
	b[44], b[45], b[54], b[58] = 0xa0, 0x02, 7, 3
	b = b[:n]
	sum := byte(0)
	for _, v := range b {
		sum += v
	}
	b[9] -= sum
	t, err := NewTable(b, 0)
	if err != nil {
		panic(err)
	}
	return t
}

func TestSPCR(t *testing.T) {
	s, err := ParseSPCR(spcr(0, 1, 8, 1, 80))
	require.NoError(t, err)
	require.Equal(t, &SPCR{Type: 0, Address: GAS{Space: SpaceIO, BitWidth: 8, Access: 1, Address: 0x2a0}, GSI: 7, Baud: 3}, s)
	for kind, want := range map[uint8]bool{0: true, 1: true, 2: false, 3: false, 0x12: true, 0x13: false} {
		s, err := ParseSPCR(spcr(kind, 0, 8, 1, 80))
		require.NoError(t, err)
		require.Equal(t, want, s.Is16550(), "type %#x", kind)
	}
	for _, tc := range []struct {
		width, access uint8
		want          int
	}{{8, 1, 1}, {32, 3, 4}, {32, 0, 4}, {8, 0, 1}, {32, 1, 1}} {
		s, err := ParseSPCR(spcr(0, 0, tc.width, tc.access, 80))
		require.NoError(t, err)
		require.Equal(t, tc.want, s.Stride())
	}
	_, err = ParseSPCR(spcr(0, 0, 8, 1, 79))
	require.Error(t, err)
}
