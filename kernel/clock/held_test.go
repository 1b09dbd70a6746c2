package clock

import (
	"testing"

	"github.com/stretchr/testify/require"

	"muster/kernel/percpu"
)

// heldAt makes a clock of the CPUs' counters that begins now, and a page whose counter is this machine's.
func heldAt(t *testing.T) *heldClock {
	saved := page
	t.Cleanup(func() { page = saved })
	page = &Page{}
	page.start(rateOf(1e9), readTSC())
	h := &heldClock{}
	h.last.Store(uint64(page.read(monotonic)))
	return h
}

// No CPU gets a time before one that another CPU has got, however far their counters are apart, and a CPU that
// is late learns by how much with one reading. The clock runs at the pace of the counters.
func TestHeldClock(t *testing.T) {
	h := heldAt(t)
	cpus := make([]percpu.CPU, 4)
	for i, skew := range []Time{0, 5 * Millisecond, -3600 * Second, 40 * Microsecond} {
		cpus[i].ClockSkew.Store(uint64(skew))
	}
	began := Time(h.last.Load())
	last := began
	for i := range 1000 {
		now := h.read(&cpus[i*7%4])
		require.GreaterOrEqual(t, now, last)
		last = now
	}
	require.GreaterOrEqual(t, last, began+5*Millisecond, "that of the CPU that is ahead")
	require.LessOrEqual(t, last, page.read(monotonic)+5*Millisecond, "and no more")
	require.Zero(t, cpus[1].ClockAdd.Load())
	for i, late := range []Time{5 * Millisecond, 0, 3600*Second + 5*Millisecond} {
		add := Time(cpus[i].ClockAdd.Load())
		require.LessOrEqual(t, add, late, "CPU %d: nothing in excess", i)
		require.Greater(t, add, late-Second, "CPU %d", i)
	}
	before := h.read(&cpus[2]) // alone, the CPU that was late goes on at its own pace
	Spin(Millisecond)
	require.Greater(t, h.read(&cpus[2]), before)
}

// A CPU that joins begins with the latest time that there is, however far its counter is ahead, and one that is known to
// be ahead does not make the clock jump.
func TestHeldClockJoins(t *testing.T) {
	h := heldAt(t)
	var boot, joins, ahead percpu.CPU
	joins.ClockSkew.Store(uint64(3600 * Second))
	joins.ClockAdd.Store(notBegun)
	ahead.ClockSkew.Store(uint64(7200 * Second))
	Ahead(&ahead, 7200*Second)
	began := h.read(&boot)
	require.Equal(t, began, h.read(&joins))
	for range 100 {
		h.read(&joins)
		h.read(&ahead)
		require.Less(t, h.read(&boot), began+60*Second)
	}
}

// A call that takes long makes no counter be ahead, and one whose counter is ahead is so by no more than what Lead says.
func TestLead(t *testing.T) {
	defer func(n, k Ratio) { toNS, toTicks = n, k }(toNS, toTicks)
	toNS = NewRatio(1e9, 1e9)
	for began := uint64(0); began < 100; began += 10 {
		for _, skew := range []int64{0, -1000, 50, 1000} {
			most := uint64(max(int64(began)+skew, 0)) // the CPU answers that long after the call began
			lead := Lead(most, 100)
			if skew <= 0 {
				require.Zero(t, lead)
			} else if lead != 0 {
				require.GreaterOrEqual(t, int64(lead), skew)
				require.LessOrEqual(t, int64(lead), skew+100)
			}
		}
	}
	require.NotZero(t, Lead(1000, 100))
}
