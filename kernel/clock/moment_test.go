package clock

import (
	"math/rand/v2"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"

	"muster/kernel/layout"
)

func TestMoment(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 100000 {
		a, b := r.Uint64(), r.Uint64()
		m := product(a, b)
		require.Equal(t, m, m.plus(moment{b, a}).minus(moment{b, a}))
		ns := Time(r.Uint64() >> 2)
		require.Equal(t, ns, momentOf(ns).time())
		before := momentOf(ns).minus(moment{0, 1})
		if ns > 0 {
			require.Equal(t, ns-1, before.time(), "momentOf is the first one")
		}
	}
	require.Equal(t, Time(3*Second), product(3e9, rateOf(1e9)).plus(moment{0, 3e9}).time(), "the rate is rounded down")
}

// A change of the rate keeps the time, plus the slack, and the new rate holds after it.
func TestAdjust(t *testing.T) {
	defer func(e int64) { SetEpoch(e) }(Epoch())
	r := rand.New(rand.NewPCG(3, 4))
	for range 10000 {
		hz := 1e8 + r.Uint64N(8e9)
		zero := r.Uint64() >> 8
		epoch.Store(r.Uint64() >> 2)
		var p Page
		p.start(rateOf(hz), zero)
		require.Equal(t, slack, p.clock(monotonic, zero).time())
		tsc := zero + r.Uint64()>>10
		before := p.clock(monotonic, tsc)
		rate := rateOf(hz) - rateOf(hz)/10000
		p.turn(tsc, before, rate)
		after := p.clock(monotonic, tsc).time()
		require.GreaterOrEqual(t, after, before.time())
		require.LessOrEqual(t, after, before.time()+slack+1)
		require.InDelta(t, 999.9e6, float64(p.clock(monotonic, tsc+hz).time()-after), 1000)
		real := p.clock(realtime, tsc).time() - after - Time(Epoch())
		require.Contains(t, []Time{0, 1}, real, "timers rely on it: never less than the sum")
		require.Equal(t, p.clock(realtime, tsc), p.clock(tai, tsc))
		require.Equal(t, p.clock(monotonic, tsc), p.clock(boottime, tsc))
	}
}

func TestPage(t *testing.T) {
	require.Zero(t, (&Page{}).read(monotonic), "before calibration")
	var p Page
	p.start(rateOf(1e9), readTSC())
	last := p.read(monotonic)
	for i := range 1000 {
		if i%10 == 0 {
			tsc, now := p.begin()
			p.turn(tsc, now, rateOf(1e9+uint64(i)*100))
			p.end()
		}
		now := p.read(monotonic)
		require.GreaterOrEqual(t, now, last)
		last = now
	}
	require.Equal(t, p.begun.Load(), p.ended.Load())
	require.EqualValues(t, 101, p.ended.Load())
}

// Each function of the vDSO fits between its place and the next one's: INT $3 follows the last.
func TestVDSOCode(t *testing.T) {
	for _, rdtscp := range []bool{true, false} {
		code := unsafe.Slice((*byte)(unsafe.Pointer(VDSOCode(rdtscp))), VDSOBytes+1)
		require.EqualValues(t, 0xcd, code[VDSOBytes], "INT")
	}
	require.LessOrEqual(t, VDSOText+VDSOBytes, layout.PageSize)
}
