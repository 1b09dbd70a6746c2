package acpi

import (
	"testing"

	"github.com/stretchr/testify/require"
)

type answer = [4]uint32

// answers is what CPUID returns, by leaf and sub-leaf.
type answers map[[2]uint32]answer

func (m answers) cpuid(leaf, sub uint32) (a, b, c, d uint32) {
	r := m[[2]uint32{leaf, sub}]
	return r[0], r[1], r[2], r[3]
}

func TestReadLevels(t *testing.T) {
	tests := map[string]struct {
		m    answers
		want Levels
	}{
		"leaf 0BH: 2 threads, 8 cores": {
			m:    answers{{0, 0}: {0x16}, {0xb, 0}: {1, 2, 1 << 8}, {0xb, 1}: {4, 16, 2<<8 | 1}},
			want: Levels{1, 4, 4},
		},
		"leaf 1FH: dies": {
			m:    answers{{0, 0}: {0x1f}, {0x1f, 0}: {1, 2, 1 << 8}, {0x1f, 1}: {3, 8, 2<<8 | 1}, {0x1f, 2}: {4, 16, 5<<8 | 2}},
			want: Levels{1, 3, 4},
		},
		"leaf 1FH: modules": {
			m:    answers{{0, 0}: {0x1f}, {0x1f, 0}: {0, 1, 1 << 8}, {0x1f, 1}: {2, 4, 2<<8 | 1}, {0x1f, 2}: {4, 16, 3<<8 | 2}},
			want: Levels{0, 4, 4},
		},
		"leaf 1FH empty, 0BH counts": {
			m:    answers{{0, 0}: {0x1f}, {0xb, 0}: {0, 1, 1 << 8}, {0xb, 1}: {2, 3, 2<<8 | 1}},
			want: Levels{0, 2, 2},
		},
		"leaf 4: 4 cores, 8 threads": {
			m:    answers{{0, 0}: {4}, {1, 0}: {0, 8 << 16, 0, 1 << 28}, {4, 0}: {3<<26 | 1}},
			want: Levels{1, 3, 3},
		},
		"AMD: 3 cores in 2 bits": {
			m:    answers{{0, 0}: {1}, {1, 0}: {0, 3 << 16, 0, 1 << 28}, {0x80000000, 0}: {0x80000008}, {0x80000008, 0}: {0, 0, 2<<12 | 2}},
			want: Levels{0, 2, 2},
		},
		"one CPU": {m: answers{{0, 0}: {4}}},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) { require.Equal(t, tc.want, ReadLevels(tc.m.cpuid)) })
	}
}

func TestBusHz(t *testing.T) {
	require.EqualValues(t, 24_000_000, BusHz(answers{{0, 0}: {0x16}, {0x15, 0}: {2, 200, 24_000_000}}.cpuid))
	require.EqualValues(t, 100_000_000, BusHz(answers{{0, 0}: {0x16}, {0x16, 0}: {2400, 3000, 100}}.cpuid))
	require.Zero(t, BusHz(answers{{0, 0}: {0x10}}.cpuid))
}
