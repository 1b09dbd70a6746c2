package clock

import (
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
)

// followed is a machine in which a time-stamp counter, at trueHz, and a reference count, and in
// which each reading of the reference is wrong by up to noise.
type followed struct {
	trueHz float64
	noise  float64 // seconds
	ref    Counter
	rand   *rand.Rand
	page   Page
	f      follower
	at     float64 // seconds
}

func newFollowed(trueHz, calibratedHz float64, mask uint64) *followed {
	w := &followed{trueHz: trueHz, noise: 2e-6, rand: rand.New(rand.NewPCG(1, 1))}
	w.ref = Counter{Kind: HPET, Mask: mask, Num: femto, Den: 69841279} // 14.318180 MHz
	w.page.start(rateOf(uint64(calibratedHz)), 0)
	w.f.follow(&w.ref)
	return w
}

// step lets time pass and makes a check.
func (w *followed) step(t *testing.T, seconds float64) {
	before := w.page.clock(monotonic, uint64(w.at*w.trueHz)).time()
	w.at += seconds
	tsc := uint64(w.at * w.trueHz)
	counts := (w.at + w.noise*(w.rand.Float64()-0.5)) * 1e15 / 69841279
	now := w.page.clock(monotonic, tsc)
	rate := w.f.step(sample{tsc, 1000, uint64(counts) & w.ref.Mask}, now, w.page.rate.Load(), Time(seconds*1e9))
	w.page.turn(tsc, now, rate)
	after := w.page.clock(monotonic, tsc).time()
	require.GreaterOrEqual(t, after, before)
}

// A clock whose frequency was measured badly at boot comes to agree with the reference, by
// slewing alone, and stays there.
func TestFollow(t *testing.T) {
	for name, off := range map[string]float64{"exact": 0, "100 ppm fast": 1e-4, "0.4% slow": -4e-3, "0.4% fast": 4e-3} {
		t.Run(name, func(t *testing.T) {
			w := newFollowed(2.4e9, 2.4e9*(1+off), 1<<32-1)
			for range 400 {
				w.step(t, 1)
			}
			require.InDelta(t, 2.4e9, float64(rateOf(w.f.rate)), 100, "of which 24 are 10^-8")
			target := w.f.base.plus(product(w.f.counts, w.f.per)).time()
			now := w.page.clock(monotonic, w.f.tsc).time()
			require.InDelta(t, float64(target), float64(now), 10_000)
			rate := float64(w.page.rate.Load()) / (1 << 32) / (1 << 32)
			require.InEpsilon(t, 1/2.4e9, rate, 20e-6)
		})
	}
}

// A counter that wraps every 4.7 s is followed as long as the checks come in time; after one that
// comes late the comparison begins anew, and the clock keeps its rate.
func TestFollowWraps(t *testing.T) {
	w := newFollowed(1e9, 1e9, 1<<24-1)
	for range 100 {
		w.step(t, 0.5)
	}
	require.InDelta(t, 1e9, float64(rateOf(w.f.rate)), 100)
	rate := w.page.rate.Load()
	w.step(t, 300)
	require.Equal(t, rate, w.page.rate.Load())
	for range 100 {
		w.step(t, 0.5)
	}
	require.InDelta(t, 1e9, float64(rateOf(w.f.rate)), 100)
}

// A mean over a long time forgets its first half, so it follows a frequency that changes.
func TestFollowForgets(t *testing.T) {
	w := newFollowed(1e9, 1e9, 1<<32-1)
	for range 1500 {
		w.step(t, 4)
	}
	span := product(w.f.counts, w.f.per).time()
	require.Less(t, span, 2*longSpan+8*Second)
	require.Greater(t, span, longSpan-8*Second)
	require.InDelta(t, 1e9, float64(rateOf(w.f.rate)), 10)
}

// A reading that took long is not used.
func TestFollowIgnoresWide(t *testing.T) {
	w := newFollowed(1e9, 1e9, 1<<32-1)
	for range 5 {
		w.step(t, 1)
	}
	checks, rate := w.f.checks, w.page.rate.Load()
	got := w.f.step(sample{uint64(6e9), uint64(1e6), 77}, moment{6, 0}, rate, Second)
	require.Equal(t, rate, got)
	require.Equal(t, checks, w.f.checks)
}

// A clock that is slow or fast by any time is slewed in the right direction. A counter that stands still
// while CPUs are idle makes it slow by 15 s at once.
func TestSlewOfLargeError(t *testing.T) {
	for _, apart := range []float64{-40, -15, -9, 9, 15, 40} {
		w := newFollowed(1e9, 1e9, 1<<40-1)
		w.step(t, 1)
		w.step(t, 8)
		tsc, counts := w.f.tsc+1e9, w.f.count+14318180
		now := w.page.clock(monotonic, tsc)
		if apart > 0 {
			counts += uint64(apart * 14318180)
		} else {
			now = now.plus(momentOf(Time(-apart * 1e9)))
		}
		w.f.step(sample{tsc, 1000, counts}, now, w.page.rate.Load(), Second)
		require.InDelta(t, apart*1e9, float64(w.f.slow), 1e6)
		require.Equal(t, apart > 0, w.f.ppb == maxSlewPPB, "%d", w.f.ppb)
		require.Equal(t, apart < 0, w.f.ppb == -maxSlewPPB, "%d", w.f.ppb)
	}
}
