package clock

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// said makes a calibration of what some sources say.
func said(mhz map[Source]uint64) (r Calibration) {
	for s, v := range mhz {
		r.Readings[s].Hz = v * 1e6
	}
	return r
}

func TestChoose(t *testing.T) {
	for name, tc := range map[string]struct {
		says    map[Source]uint64
		want    Source
		refused []Source
		differ  []Source
	}{
		"an exact value, and the counters agree": {map[Source]uint64{FromCPUID: 3000, FromHPET: 3001, FromPIT: 3010}, FromCPUID, nil, nil},
		"an exact value alone":                   {map[Source]uint64{FromHypervisor: 3000}, FromHypervisor, nil, nil},
		"one counter against it":                 {map[Source]uint64{FromCPUID: 3000, FromHPET: 2000}, FromCPUID, nil, []Source{FromHPET}},
		"two counters against it":                {map[Source]uint64{FromCPUID: 3000, FromHPET: 2000, FromPIT: 2001}, FromHPET, []Source{FromCPUID}, []Source{FromCPUID}},
		"two counters that differ":               {map[Source]uint64{FromHPET: 3000, FromPMTimer: 2000}, FromHPET, nil, []Source{FromPMTimer}},
		"the third one decides":                  {map[Source]uint64{FromHPET: 3000, FromPMTimer: 2000, FromPIT: 2005}, FromPMTimer, []Source{FromHPET}, []Source{FromHPET}},
		"a nominal value decides":                {map[Source]uint64{FromHPET: 3000, FromPMTimer: 2000, FromBase: 2000}, FromPMTimer, []Source{FromHPET}, []Source{FromHPET}},
		"two against two, by their order": {map[Source]uint64{FromCPUID: 3000, FromHypervisor: 2000, FromHPET: 3000, FromPMTimer: 2000}, FromCPUID,
			nil, []Source{FromHypervisor, FromPMTimer}},
		"a counter before a nominal value": {map[Source]uint64{FromPIT: 2004, FromRegister: 2000, FromBase: 2000}, FromPIT, nil, nil},
		"a nominal value alone":            {map[Source]uint64{FromBase: 2000}, FromBase, nil, nil},
		"the CMOS clock":                   {map[Source]uint64{FromCMOS: 2000}, FromCMOS, nil, nil},
		"just within 1%":                   {map[Source]uint64{FromHPET: 3000, FromPIT: 3030}, FromHPET, nil, nil},
		"just beyond":                      {map[Source]uint64{FromHPET: 3000, FromPIT: 3031}, FromHPET, nil, []Source{FromPIT}},
	} {
		r := said(tc.says)
		require.True(t, r.choose(), name)
		require.Equal(t, tc.want, r.Chosen, name)
		require.Equal(t, tc.says[tc.want]*1e6, r.Hz(), name)
		var refused uint32
		for _, s := range tc.refused {
			refused |= 1 << s
		}
		require.Equal(t, refused, r.Refused, name)
		for s := range FromNothing {
			want := false
			for _, d := range tc.differ {
				want = want || d == s
			}
			require.Equal(t, want, r.Disagrees(s), "%s: %v", name, s)
		}
	}
	var r Calibration
	require.False(t, r.choose(), "no source")
}

// Whatever the sources say, one of them is chosen, and none that says nothing.
func TestChooseAlwaysChooses(t *testing.T) {
	values := []uint64{0, 2000, 2015, 2030, 4000}
	for n := range 5 * 5 * 5 * 5 * 5 {
		says, rest, some := map[Source]uint64{}, n, false
		for _, s := range []Source{FromCPUID, FromHypervisor, FromHPET, FromPIT, FromBase} {
			says[s] = values[rest%len(values)]
			some = some || says[s] != 0
			rest /= len(values)
		}
		r := said(says)
		require.Equal(t, some, r.choose(), says)
		if some {
			require.NotZero(t, r.Hz(), says)
			require.Zero(t, r.Refused>>r.Chosen&1, says)
		}
	}
}

func TestSourceNames(t *testing.T) {
	for s := range Sources {
		require.NotEmpty(t, s.String())
	}
	require.Equal(t, "unknown", Sources.String())
	for k := range Kinds {
		require.Equal(t, k.String(), (FromHPET + Source(k)).String(), "the sources of counters have the counters' order and names")
	}
}
