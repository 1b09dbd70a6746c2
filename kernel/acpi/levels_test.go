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
		// Values of real machines: leaves 1, 0BH, 8000_0001H, 8000_0008H and 8000_001EH.
		"EPYC 7601: 4 dies of 8 cores": {
			m: answers{{0, 0}: {0xd}, {1, 0}: {0x800f12, 64 << 16, 0, 1 << 28}, {0xb, 0}: {1, 2, 1 << 8}, {0xb, 1}: {6, 64, 2<<8 | 1},
				{0x80000000, 0}: {0x8000001f}, {0x80000001, 0}: {0x800f12, 0, 0x35c233ff}, {0x80000008, 0}: {0, 0, 0x603f}, {0x8000001e, 0}: {0, 0x100, 0x300}},
			want: Levels{1, 4, 6},
		},
		"Threadripper 1950X: 2 dies of 8 cores": {
			m: answers{{0, 0}: {0xd}, {1, 0}: {0x800f11, 32 << 16, 0, 1 << 28}, {0xb, 0}: {1, 2, 1 << 8}, {0xb, 1}: {5, 32, 2<<8 | 1},
				{0x80000000, 0}: {0x8000001f}, {0x80000001, 0}: {0x800f11, 0, 0x35c233ff}, {0x80000008, 0}: {0, 0, 0x501f}, {0x8000001e, 0}: {0, 0x100, 0x100}},
			want: Levels{1, 4, 5},
		},
		"Ryzen 7 1800X: one die": {
			m: answers{{0, 0}: {0xd}, {1, 0}: {0x800f11, 16 << 16, 0, 1 << 28}, {0xb, 0}: {1, 2, 1 << 8}, {0xb, 1}: {4, 16, 2<<8 | 1},
				{0x80000000, 0}: {0x8000001f}, {0x80000001, 0}: {0x800f11, 0, 0x35c233ff}, {0x80000008, 0}: {0, 0, 0x400f}, {0x8000001e, 0}: {0, 0x100, 0}},
			want: Levels{1, 4, 4},
		},
		"Zen without leaf 0BH: threads by 8000_001EH": {
			m: answers{{0, 0}: {0xd}, {1, 0}: {0x800f11, 16 << 16, 0, 1 << 28},
				{0x80000000, 0}: {0x8000001f}, {0x80000001, 0}: {0x800f11, 0, 0x35c233ff}, {0x80000008, 0}: {0, 0, 0x400f}, {0x8000001e, 0}: {0, 0x100, 0}},
			want: Levels{1, 4, 4},
		},
		"Opteron 6274: 2 dies of 8 cores, no threads": {
			m: answers{{0, 0}: {0xd}, {1, 0}: {0x600f12, 16 << 16, 0, 1 << 28},
				{0x80000000, 0}: {0x8000001e}, {0x80000001, 0}: {0x600f12, 0, 0x01c9bfff}, {0x80000008, 0}: {0, 0, 0x400f}, {0x8000001e, 0}: {0, 0x100, 0x100}},
			want: Levels{0, 3, 4},
		},
		"no topology extensions: the leaf is not read": {
			m: answers{{0, 0}: {0xd}, {1, 0}: {0x800f12, 64 << 16, 0, 1 << 28}, {0xb, 0}: {1, 2, 1 << 8}, {0xb, 1}: {6, 64, 2<<8 | 1},
				{0x80000000, 0}: {0x8000001f}, {0x8000001e, 0}: {0, 0x100, 0x300}},
			want: Levels{1, 6, 6},
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
