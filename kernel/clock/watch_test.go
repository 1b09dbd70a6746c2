package clock

import (
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
)

// watched is a machine whose TSC and reference go on as a test says, and whose timekeeper makes checks.
type watched struct {
	ref    Counter
	f      follower
	w      watchdog
	rand   *rand.Rand
	tsc    float64 // seconds that the TSC has counted, at watchedHz
	at     float64 // seconds that the reference has counted
	boot   uint64
	agreed bool
}

const watchedHz = 2.4e9

func newWatched(mask uint64) *watched {
	m := &watched{rand: rand.New(rand.NewPCG(1, 1)), boot: rateOf(watchedHz), agreed: true}
	m.ref = Counter{Kind: HPET, Mask: mask, Num: femto, Den: 69841279, found: true}
	m.f.follow(&m.ref)
	return m
}

// check lets time pass on both and makes a check, whose reading is off by up to half of its width.
func (m *watched) check(tsc, at float64, width Time) (good, condemned bool) {
	m.tsc += tsc
	m.at += at
	off := (m.rand.Float64() - 0.5) * float64(width) / 1e9
	s := sample{tsc: uint64(int64((m.tsc + off) * watchedHz)), width: uint64(float64(width) / 1e9 * watchedHz), count: uint64(m.at*1e15/69841279) & m.ref.Mask}
	rate := m.f.rate
	m.f.step(s, product(s.tsc, m.boot), m.boot, Second)
	return m.w.watch(&m.f, s, rate, m.boot, m.agreed)
}

// A TSC that counts as the reference does is never suspected: readings as wide as are used, checks far too
// often, far too seldom, or at any interval, and a frequency that was measured a little wrong at boot.
func TestWatchdogTrusts(t *testing.T) {
	for name, off := range map[string]float64{"exact": 0, "100 ppm": 1e-4, "0.5% fast": 5e-3, "0.5% slow": -5e-3} {
		for _, mask := range []uint64{1<<32 - 1, 1<<24 - 1} {
			m := newWatched(mask)
			for i := range 3000 {
				d := []float64{0.005, 0.3, 1, 1, 1, 8, 20, 200}[m.rand.IntN(8)]
				good, condemned := m.check(d*(1+off), d, widest)
				require.True(t, good && !condemned, "%s, check %d: %+v", name, i, m.w)
			}
			require.Greater(t, m.w.windows, uint64(500))
			require.Zero(t, m.w.bad)
		}
	}
}

// A TSC whose rate changes, that stops at times, or that is set back again and again is condemned at the
// third bad window, whether its frequency is known from the boot alone or exactly.
func TestWatchdogCondemns(t *testing.T) {
	for name, tsc := range map[string]float64{
		"2% fast": 1.02, "2% slow": 0.98, "half": 0.5, "ten times": 10, "a hundred times": 100, "it stands still": 0, "backwards": -1, "12 ms each": 1.012,
	} {
		for _, before := range []int{1, 2, 50} {
			m := newWatched(1<<32 - 1)
			for range before {
				good, condemned := m.check(1, 1, widest/2)
				require.True(t, good && !condemned)
			}
			for i := 1; i <= mostBad; i++ {
				good, condemned := m.check(tsc, 1, widest/2)
				require.False(t, good, "%s, after %d", name, before)
				require.Equal(t, i == mostBad, condemned, "%s, after %d: %+v", name, before, m.w)
			}
			require.InDelta(t, tsc-1, float64(m.w.apart)/1e9, 1e-3)
		}
	}
}

// The control: changes that are too small to tell from a reference that is slewed are followed instead.
func TestWatchdogLeavesSmallChanges(t *testing.T) {
	m := newWatched(1<<32 - 1)
	for range 50 {
		m.check(1, 1, Microsecond)
	}
	for range 50 {
		good, _ := m.check(1.0005, 1, Microsecond)
		require.True(t, good)
	}
}

// A step now and then, as of a machine that was stopped, is not the TSC's fault. It stays out of the
// mean rate, and what the clock is ahead by because of it is known and slewed away.
func TestWatchdogForgivesSteps(t *testing.T) {
	m := newWatched(1<<32 - 1)
	for i := range 400 {
		step := 0.0
		if i%20 == 19 {
			step = 3
		}
		good, condemned := m.check(1+step, 1, Microsecond)
		require.Equal(t, step == 0, good, i)
		require.False(t, condemned)
	}
	require.EqualValues(t, 20, m.w.bad)
	require.InEpsilon(t, rateOf(watchedHz), m.f.rate, 1e-6)
	require.InDelta(t, -60, float64(m.f.target().time()-product(uint64(m.tsc*watchedHz), m.boot).time())/1e9, 1e-3)
}

// A virtual CPU that is stopped within each reading makes it wide: nothing is compared, and nothing condemned.
func TestWatchdogIgnoresWide(t *testing.T) {
	m := newWatched(1<<32 - 1)
	m.check(1, 1, Microsecond)
	for range 20 {
		good, condemned := m.check(1.5, 1, 2*widest)
		require.True(t, good && !condemned)
	}
	require.Zero(t, m.w.windows)
}

// Where the calibration found that reference and chosen frequency differ, the TSC is compared only when its
// frequency was measured.
func TestWatchdogLearns(t *testing.T) {
	m := newWatched(1<<32 - 1)
	m.agreed = false
	for range 30 {
		good, condemned := m.check(1.3, 1, Microsecond)
		require.True(t, good && !condemned)
	}
	require.NotZero(t, m.w.windows)
	for i := 1; i <= mostBad; i++ {
		good, condemned := m.check(1, 1, Microsecond)
		require.False(t, good)
		require.Equal(t, i == mostBad, condemned)
	}
}

// A reference that stops does not condemn the TSC.
func TestWatchdogNoticesDeadReference(t *testing.T) {
	m := newWatched(1<<32 - 1)
	m.check(1, 1, Microsecond)
	good, condemned := m.check(1, 0, Microsecond)
	require.False(t, good || condemned)
	require.True(t, m.w.still)
	require.Zero(t, m.w.bad)
}

// The first window may be a long one: the checks were late. Nothing was measured before it, so the boot's rate counts.
// So it is after a bad window, which leaves nothing measured.
func TestWatchdogFirstWindowIsLong(t *testing.T) {
	m := newWatched(1<<32 - 1)
	m.check(1, 1, Microsecond)
	for i := range 10 {
		good, condemned := m.check(10, 10, Microsecond)
		require.True(t, good && !condemned, "%d: %+v", i, m.w)
	}
	m = newWatched(1<<32 - 1)
	m.check(1, 1, Microsecond)
	m.check(4, 1, Microsecond)
	require.EqualValues(t, 1, m.w.bad)
	require.Zero(t, m.f.rate, "only the bad window was measured")
	good, _ := m.check(10, 10, Microsecond)
	require.True(t, good)
	require.InEpsilon(t, rateOf(watchedHz), m.f.rate, 1e-6)
}

// A bad window that ends where the follower notes the middle of a long span stays out of the mean rate when the first
// half is forgotten.
func TestWatchdogStepInTheMiddle(t *testing.T) {
	for bad := 120; bad < 130; bad++ { // 8 s each: one of them ends at longSpan
		m := newWatched(1<<32 - 1)
		for i := range 400 {
			step := 0.0
			if i == bad {
				step = 30
			}
			good, _ := m.check(8+step, 8, Microsecond)
			require.Equal(t, step == 0, good, "bad %d, check %d: %+v", bad, i, m.w)
			if i > 0 {
				require.InEpsilon(t, rateOf(watchedHz), m.f.rate, 1e-5, "bad %d, check %d", bad, i)
			}
		}
		require.True(t, m.f.forgot)
	}
}

// A reading that is too wide for the follower, whose rate is another one, is none for the watchdog either: what it
// excludes is what the follower has counted.
func TestWatchdogUsesWhatTheFollowerUses(t *testing.T) {
	m := newWatched(1<<32 - 1)
	for range 3 {
		m.check(1, 1, Microsecond)
	}
	m.tsc += 3
	m.at++
	s := sample{tsc: uint64(m.tsc * watchedHz), width: uint64(99_990 * watchedHz / 1e9), count: uint64(m.at * 1e15 / 69841279)}
	fast := m.boot + m.boot>>10
	require.Equal(t, fast, m.f.step(s, moment{}, fast, Second), "too wide by this rate")
	good, condemned := m.w.watch(&m.f, s, m.f.rate, m.boot, true)
	require.True(t, good && !condemned)
	require.Greater(t, m.f.tsc, m.f.first)
}

// A reference that stops is left also when the TSC is not watched any more, or never was: otherwise the clock would
// follow it.
func TestDeadReferenceIsNotFollowed(t *testing.T) {
	for _, state := range []WatchState{WatchTrusted, WatchSteady} {
		m := newWatched(1<<32 - 1)
		m.w.state = state
		for range 20 {
			good, condemned := m.check(1, 1, Microsecond)
			require.True(t, good && !condemned && !m.w.still)
		}
		good, _ := m.check(1, 0, Microsecond)
		require.True(t, !good && m.w.still, "%d: %+v", state, m.w)
		require.Zero(t, m.w.windows)
	}
}

// The bit of the invariant TSC ends the watch only after a time without a bad window.
func TestWatchdogStops(t *testing.T) {
	defer func(b bool) { invariant = b }(invariant)
	for _, invariant = range []bool{false, true} {
		m := newWatched(1<<32 - 1)
		m.check(1, 1, Microsecond)
		for range 50 {
			m.check(1, 1, Microsecond)
		}
		m.check(1.5, 1, Microsecond)
		for range 59 {
			m.check(1, 1, Microsecond)
			require.Equal(t, WatchOn, m.w.state)
		}
		for range 2 {
			m.check(1, 1, Microsecond)
		}
		require.Equal(t, invariant, m.w.state == WatchSteady)
		windows := m.w.windows
		m.check(2, 1, Microsecond)
		require.Equal(t, !invariant, m.w.windows > windows)
	}
}

// A clock that leaves a TSC which has lost time continues where the reference is, and one whose TSC is
// fast where it was.
func TestLeaveContinues(t *testing.T) {
	defer func(p *Page, c [Kinds]Counter) { page, counters, second = p, c, secondClock{} }(page, counters)
	for _, least := range []moment{{}, {1000, 0}} {
		page, second = &Page{}, secondClock{}
		page.start(rateOf(1e9), readTSC()-uint64(5e9))
		counters = [Kinds]Counter{}
		counters[HPET] = Counter{Kind: HPET, Mask: 1<<32 - 1, Num: femto, Den: 10_000_000, found: true, frozen: true}
		before := Now()
		require.True(t, leave(0, least, false))
		require.GreaterOrEqual(t, Now(), max(before, least.time()))
		if least.hi != 0 {
			require.Equal(t, least.time(), Now())
		}
	}
}
