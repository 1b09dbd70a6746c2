package cpu

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// A CPU whose register differs from that of the boot CPU in its package gets that value, so that its
// counter agrees with the boot CPU's again. No other register is written.
func TestAdjust(t *testing.T) {
	const reset = 1000 // what all counters have without their registers
	for name, tc := range map[string]struct {
		boot, value int64
		id          uint32 // the boot CPU's is 0, packages have 8
		lacks       bool
		fails       bool
		write       string // what a write does, "" if it writes
		want        TSCAdjust
	}{
		"equal":                       {5, 5, 1, false, false, "", TSCAdjust{Has: true, Found: 5}},
		"ahead":                       {0, 400, 1, false, false, "", TSCAdjust{Has: true, Found: 400, Written: true}},
		"behind":                      {7, -400, 7, false, false, "", TSCAdjust{Has: true, Found: -400, Written: true}},
		"a write raises a fault":      {0, 400, 1, false, false, "faults", TSCAdjust{Has: true, Found: 400, Refused: true}},
		"a write is ignored":          {0, 400, 1, false, false, "ignored", TSCAdjust{Has: true, Found: 400, Refused: true}},
		"another package":             {0, 400, 8, false, false, "", TSCAdjust{Has: true, Found: 400}},
		"no register":                 {0, 400, 1, true, false, "", TSCAdjust{}},
		"the register raises a fault": {0, 400, 1, false, true, "", TSCAdjust{}},
	} {
		t.Run(name, func(t *testing.T) {
			value, writes := tc.value, 0
			m := adjusting{
				cpuid: func(leaf, sub uint32) (a, b, c, d uint32) {
					if leaf == leafLevels && sub < 2 {
						return [2]uint32{1, 3}[sub], 2, (sub + 1) << 8, 0
					}
					return 0, 0, 0, 0
				},
				read: func(msr uint32) (uint64, bool) { return uint64(value), msr == MSRTSCAdjust && !tc.fails },
				write: func(msr uint32, v uint64) bool {
					writes++
					if tc.write == "" {
						value = int64(v)
					}
					return tc.write != "faults"
				},
			}
			f := &Features{MaxLeaf: 0x16, Leaf7B: 1 << 1}
			if tc.lacks {
				f.Leaf7B = 0
			}
			boot := TSCAdjust{Has: true, Found: tc.boot}
			got := TSCAdjust{Found: 99} // of a start before
			got.adjust(&m, f, &boot, tc.id, 0)
			require.Equal(t, tc.want, got)
			require.Equal(t, tc.want.Written || tc.want.Refused, writes == 1)
			if tc.want.Written {
				require.EqualValues(t, reset+tc.boot, reset+value)
			}
			boot.adjust(&m, f, &boot, 0, 0)
			require.False(t, boot.Written, "the boot CPU's stays")
		})
	}
	m := adjusting{cpuid: func(uint32, uint32) (a, b, c, d uint32) { return 0, 0, 0, 0 }}
	require.False(t, m.samePackage(&Features{MaxLeaf: 0x16}, 1, 2), "a leaf without levels")
	require.False(t, m.samePackage(&Features{MaxLeaf: 7}, 1, 2), "no leaf")
}
