package intr

import (
	"testing"

	"github.com/stretchr/testify/require"

	"muster/kernel/clock"
)

// storms returns the number of the first interrupt at which a line with interrupts at equal
// distances storms, 0 for none among n. The device claims each of them if claims is not 0,
// one of so many.
func storms(s *strays, gap clock.Time, n, claims int) int {
	for i := 1; i <= n; i++ {
		if s.stray(clock.Time(i) * gap) {
			return i
		}
		if claims != 0 && i%claims == 0 {
			s.claimed()
		}
	}
	return 0
}

func TestStray(t *testing.T) {
	const us = clock.Microsecond
	for name, tc := range map[string]struct {
		gap       clock.Time
		n, claims int
		want      int
	}{
		"100 ms, not a number":                   {1 * us, 1_000_000, 0, 100_001},
		"at a slower rate sooner":                {50 * us, 1_000_000, 0, 2001},
		"a few, though they last":                {10_000 * us, 1_000_000, 0, 100},
		"each after a pause":                     {20_001 * us, 10_000, 0, 0},
		"a clock that stands still":              {0, 2_000_000, 0, stormMost},
		"a busy device":                          {1 * us, 1_000_000, 1, 0},
		"a busy device beside one without cause": {1 * us, 1_000_000, 50, 0},
		"one that claims too seldom":             {1 * us, 1_000_000, 200_000, 100_001},
	} {
		t.Run(name, func(t *testing.T) {
			require.Equal(t, tc.want, storms(new(strays), tc.gap, tc.n, tc.claims))
		})
	}
	var s strays
	require.Zero(t, storms(&s, 1*us, 1000, 10))
	require.EqualValues(t, 900, s.all, "those that were claimed do not count")
}
