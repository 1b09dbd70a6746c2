package clock

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// The second clock counts on when its counter wraps, as long as it is read once in three quarters
// of a turn, and never goes back.
func TestSecondClock(t *testing.T) {
	ref := Counter{Kind: PMTimer, Mask: 1<<24 - 1, Num: 3579545, Den: 1, found: true, frozen: true}
	var s secondClock
	s.use(&ref, moment{100, 0})
	count := uint64(0)
	s.read = func(*Counter) uint64 { return count & ref.Mask }
	last := s.now()
	require.Equal(t, 100*Second, last)
	for range 1000 {
		count += 1<<24*3/4 - 1
		now := s.now()
		require.Greater(t, now, last)
		last = now
	}
	require.InDelta(t, 100+float64(count)/3579545, float64(last)/1e9, 1e-6)
}

// A clock that leaves the TSC goes on from the time that it had. Later changes of the page do not lead
// readers back.
func TestLeaveTSC(t *testing.T) {
	defer func(p *Page, c [Kinds]Counter, e int64) {
		page, counters, second = p, c, secondClock{}
		SetEpoch(e)
	}(page, counters, Epoch())
	page = &Page{}
	page.start(rateOf(1e9), readTSC()-uint64(5e9))
	counters = [Kinds]Counter{}
	require.False(t, LeaveTSC(), "there is no other counter")
	require.Equal(t, Kinds, Clock())
	counters[HPET] = Counter{Kind: HPET, Mask: 1<<32 - 1, Num: femto, Den: 10_000_000, found: true, frozen: true}
	before := Now()
	require.True(t, LeaveTSC())
	require.Equal(t, HPET, Clock())
	now := Now()
	require.GreaterOrEqual(t, now, before)
	require.Equal(t, now, Now(), "this counter stands still")
	SetEpoch(7e18)
	require.Equal(t, now+7e18, Real())
	require.Equal(t, now, Raw())
	require.Equal(t, now, Now())
	require.True(t, LeaveTSC(), "once more")
}
