package clock

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestExplain(t *testing.T) {
	defer func() { counters = [Kinds]Counter{} }()
	counters = testCounters()
	counters[PMTimer].Problem = StandsStill
	r := said(map[Source]uint64{FromCPUID: 3000, FromHPET: 2000, FromPIT: 2001, FromBase: 2500})
	require.True(t, r.choose())
	for s, want := range map[Source]string{
		FromCPUID: "refused: more sources agree with one another", FromHypervisor: "absent", FromHPET: "chosen", FromPMTimer: StandsStill,
		FromPIT: "agrees", FromBase: "refused: more sources agree with one another", FromRegister: "absent", FromCMOS: "not needed",
	} {
		require.Equal(t, want, r.State(s), "%v", s)
	}
	require.Equal(t, "the first counter that counts", r.Reason())
	r.CMOS = StandsStill
	require.Equal(t, StandsStill, r.State(FromCMOS))
	r = said(map[Source]uint64{FromCPUID: 3000, FromHPET: 2000})
	require.True(t, r.choose())
	require.Equal(t, "disagrees", r.State(FromHPET))

	texts := map[string]bool{}
	for s := range Sources {
		r := Calibration{Chosen: s}
		texts[r.Reason()] = true
		require.Equal(t, "chosen", r.State(s))
		require.False(t, s.Exact() && s.Nominal())
	}
	require.Len(t, texts, 5, "one for each kind")
}
