package clock

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
)

// measuring is the code under test: it gets a machine with its counters.
type measuring func(m *meter, list *[Kinds]Counter, exact bool) [Kinds]Reading

// worlds is how many simulated machines each property gets.
const worlds = 200

// wrongBounds returns the measurements whose error is larger than their bound, or which are
// missing though the counter counts.
func wrongBounds(f measuring) (wrong []string) {
	for seed := range int64(worlds) {
		w := newWorld(seed)
		list := testCounters()
		for k, v := range f(w.meter(), &list, seed%2 == 0) {
			if far := apart(v.Hz, uint64(w.hz)); far > uint64(v.PPM)+1 || v.Hz == 0 {
				wrong = append(wrong, fmt.Sprintf("seed %d, %v: %d Hz of %.0f, %d ppm, bound %d", seed, Kind(k), v.Hz, w.hz, far, v.PPM))
			}
		}
	}
	return wrong
}

func TestErrorsAreBounded(t *testing.T) { require.Empty(t, wrongBounds((*meter).measure)) }

// The measurement as it is often done: two points, one reading at each.
func TestErrorsAreBoundedNotices(t *testing.T) {
	require.NotEmpty(t, wrongBounds(func(m *meter, list *[Kinds]Counter, _ bool) (results [Kinds]Reading) {
		once := func() {
			for k := range list {
				count := m.read(&list[k])
				m.points[k][m.n] = sample{tsc: m.now(), count: count}
			}
			m.n++
		}
		once()
		m.wait(list)
		once()
		for k := range list {
			results[k] = between(&list[k], m.points[k][0], m.points[k][1])
		}
		return results
	}))
}

// On a quiet machine the best counter reaches 100 ppm when it matters, in less than 50 ms.
func TestAccuracyAndTime(t *testing.T) {
	for seed := range int64(worlds) {
		w := newWorld(seed)
		w.stopOdds = 0
		list := testCounters()
		if seed%3 == 1 {
			list[HPET].found = false
		}
		if seed%3 == 2 {
			list[HPET].found, list[PMTimer].found = false, false
		}
		began := w.ns
		results := w.meter().measure(&list, true)
		require.Less(t, w.ns-began, 50e6, "seed %d", seed)
		best := HPET
		for !list[best].found {
			best++
		}
		limit := uint32(goodPPM)
		if best == PIT {
			limit = 150 // 48 ms is most of the time in which it wraps
		}
		require.LessOrEqual(t, results[best].PPM, limit, "seed %d: %v", seed, best)
		require.LessOrEqual(t, apart(results[best].Hz, uint64(w.hz)), uint64(limit), "seed %d: %v", seed, best)
	}
}

// wrongAfterFault breaks a counter of each machine while it is measured: it stops, or it jumps.
// The result must be right to 1%, or there must be none.
func wrongAfterFault(f measuring) (wrong []string) {
	for seed := range int64(worlds / 4) { // each stop takes many readings
		w := newWorld(seed)
		list := testCounters()
		k := Kind(seed % int64(Kinds))
		s := &w.at[k]
		at := w.ns + 12e6*w.rnd.Float64()
		if w.rnd.Intn(2) == 0 {
			s.stopAt = at
		} else {
			s.jumpAt, s.jump = at, float64(list[k].Mask)*(w.rnd.Float64()-0.5)
		}
		results := f(w.meter(), &list, true)
		for k, v := range results {
			if !list[k].Usable() {
				continue
			}
			if far := apart(v.Hz, uint64(w.hz)); far > agreePPM {
				wrong = append(wrong, fmt.Sprintf("seed %d, %v: %d Hz of %.0f", seed, Kind(k), v.Hz, w.hz))
			}
		}
	}
	return wrong
}

func TestFaultsWhileMeasuring(t *testing.T) { require.Empty(t, wrongAfterFault((*meter).measure)) }

// A measurement that looks at the first and the last point alone.
func TestFaultsWhileMeasuringNotices(t *testing.T) {
	require.NotEmpty(t, wrongAfterFault(func(m *meter, list *[Kinds]Counter, _ bool) (results [Kinds]Reading) {
		m.point(list)
		for range leastPoints - 1 {
			m.wait(list)
			m.point(list)
		}
		for k := range list {
			results[k] = between(&list[k], m.points[k][0], m.points[k][m.n-1])
		}
		return results
	}))
}

// Counters that stand still from the beginning cost a bounded time, and leave the others alone.
func TestStillCounters(t *testing.T) {
	for still := range 1 << Kinds {
		w := newWorld(int64(still))
		list := testCounters()
		for k := range list {
			if still>>k&1 != 0 {
				w.at[k].stopAt = 1
			}
		}
		began := w.ns
		results := w.meter().measure(&list, true)
		require.Less(t, w.ns-began, 6e9, "%b", still)
		for k := range list {
			require.Equal(t, still>>k&1 == 0, list[k].Usable(), "%b: %v", still, Kind(k))
			require.Equal(t, still>>k&1 == 0, results[k].Hz != 0, "%b: %v", still, Kind(k))
		}
	}
}

func TestMulDiv(t *testing.T) {
	require.Equal(t, uint64(14_318_179), mulDiv(femto, 1, 69_841_279))
	require.Equal(t, ^uint64(0), mulDiv(1<<63, 4, 1), "it does not fit")
	require.Equal(t, ^uint64(0), mulDiv(1, 1, 0), "a division by 0")
}

func TestMedian(t *testing.T) {
	require.Equal(t, uint64(3), median([]uint64{5, 3, 1}))
	require.Equal(t, uint64(2), median([]uint64{4, 2, 9, 1}))
	require.Equal(t, uint64(7), median([]uint64{7}))
}

// The timer of a local APIC, from a slow bus clock over 16 to a fast one.
func TestTimer(t *testing.T) {
	for seed := range int64(worlds / 4) {
		w := newWorld(seed)
		timerHz := 1e6 + 400e6*w.rnd.Float64()
		m := &meter{now: w.tsc, read: func(*Counter) uint64 {
			w.pass(50)
			at := w.ns
			w.pass(50)
			return uint64(at*timerHz/1e9) & (1<<32 - 1)
		}}
		hz, v, problem := m.timer(uint64(w.hz))
		require.Empty(t, problem, "seed %d", seed)
		require.Equal(t, hz, v.Hz)
		require.LessOrEqual(t, apart(hz, uint64(timerHz)), uint64(v.PPM)+2, "seed %d", seed)
	}
	w := newWorld(1)
	m := &meter{now: w.tsc, read: func(*Counter) uint64 { w.pass(50); return 7 }}
	_, _, problem := m.timer(uint64(w.hz))
	require.Equal(t, StandsStill, problem)
}

func TestTimerDisagrees(t *testing.T) {
	r := Calibration{TimerHz: 1_000_000_000, Timer: Reading{Hz: 62_500_000}}
	require.False(t, r.TimerDisagrees(16))
	r.Timer.Hz = 31_250_000
	require.True(t, r.TimerDisagrees(16))
	r.TimerHz = 0
	require.False(t, r.TimerDisagrees(16), "there is nothing to compare with")
}
