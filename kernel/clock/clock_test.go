package clock

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestRatio(t *testing.T) {
	tests := map[string]struct{ num, den, x, want uint64 }{
		"3 GHz to ns":          {1e9, 3e9, 3e9, 999999999},
		"1 GHz is exact":       {1e9, 1e9, 123456789, 123456789},
		"ns to 2.4 GHz":        {2400e6, 1e9, 1e9, 2399999999},
		"a year at 5 GHz":      {1e9, 5e9, 5e9 * 86400 * 365, 31535999992657452},
		"slow counter, 25 MHz": {1e9, 25e6, 25e6, 1e9},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			require.Equal(t, tc.want, NewRatio(tc.num, tc.den).Of(tc.x))
		})
	}
}

func TestDecodeRTC(t *testing.T) {
	tests := map[string]struct {
		regs    [7]uint8
		statusB uint8
		want    string
	}{
		"BCD, 24 hours":    {[7]uint8{0x56, 0x34, 0x12, 0x29, 0x02, 0x24, 0x20}, 2, "2024-02-29T12:34:56Z"},
		"binary, 24 hours": {[7]uint8{59, 59, 23, 31, 12, 99, 19}, 6, "1999-12-31T23:59:59Z"},
		"BCD, 12 PM":       {[7]uint8{0, 0, 0x92, 1, 1, 0x25, 0x20}, 0, "2025-01-01T12:00:00Z"},
		"BCD, 12 AM":       {[7]uint8{0, 0, 0x12, 1, 3, 0x25, 0x20}, 0, "2025-03-01T00:00:00Z"},
		"no century":       {[7]uint8{0, 0, 0, 1, 1, 0x26, 0xff}, 2, "2026-01-01T00:00:00Z"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			s, ok := decodeRTC(tc.regs, tc.statusB)
			require.True(t, ok)
			require.Equal(t, tc.want, time.Unix(s, 0).UTC().Format(time.RFC3339))
		})
	}
	_, ok := decodeRTC([7]uint8{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, 0xff)
	require.False(t, ok, "an absent clock reads as ones")
	_, ok = decodeRTC([7]uint8{}, 2)
	require.False(t, ok, "day 0")
	const binary = 6 // and 24 hours
	for date, r := range map[string][7]uint8{"1900": {0, 0, 0, 1, 1, 0, 19}, "1969": {59, 59, 23, 31, 12, 69, 19}} {
		_, ok = decodeRTC(r, binary)
		require.False(t, ok, date)
	}
	s, ok := decodeRTC([7]uint8{0, 0, 0, 1, 1, 70, 19}, binary)
	require.True(t, ok)
	require.Zero(t, s)
}

// The clock may begin a moment after the first of 1970: no time is below 0.
func TestEpochIsNotNegative(t *testing.T) {
	defer func(e int64) { SetEpoch(e) }(Epoch())
	SetEpoch(-5)
	require.Zero(t, Epoch())
	require.Zero(t, page.hi[realtime].Load()-page.hi[monotonic].Load())
}

func TestDays(t *testing.T) {
	for d := time.Date(1970, 1, 1, 0, 0, 0, 0, time.UTC); d.Year() < 2110; d = d.AddDate(0, 0, 1) {
		require.Equal(t, d.Unix()/86400, days(int64(d.Year()), int64(d.Month()), int64(d.Day())), d)
	}
}

func TestDeadline(t *testing.T) {
	defer func(hz, s uint64) { SetHz(hz); SetScale(s) }(1e9, 1)
	SetHz(1e9)
	d := After(0)
	require.True(t, d.Passed())
	d = After(Second * 1000)
	require.False(t, d.Passed())
	SetScale(4)
	require.Greater(t, After(Second*1000).end, d.end)
}
