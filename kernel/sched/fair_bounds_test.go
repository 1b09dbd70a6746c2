package sched

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// waitsFor returns how long x waits until it runs, in threads' time from tick to tick.
func (m *fairModel) waitsFor(x *Thread) (ns uint64) {
	tick := 2 * fullRequest
	for m.leaves(leaveReady); m.run != x && ns < 1000*tick; m.leaves(leaveReady) {
		m.passes(tick)
		ns += tick
	}
	return ns
}

// alone returns a model in which the first of two threads has run for a tick, and for which it has short requests or not.
func alone(short bool) (m *fairModel, first, second *Thread) {
	m = newFairModel([]uint64{unit, unit})
	first, second = m.asleep[0], m.asleep[1]
	m.wakes(0)
	m.leaves(leaveReady)
	if !short {
		m.passes(2 * fullRequest)
	}
	return m, first, second
}

// A thread that has run alone for long, with nothing that counted its time, does not owe that time to one that comes.
func TestTimeAloneIsNoDebt(t *testing.T) {
	for _, short := range []bool{true, false} {
		m, first, second := alone(short)
		m.now += 10e9
		m.wakes(0)
		m.leaves(leaveReady)
		require.Same(t, second, m.run)
		m.passes(2 * fullRequest)
		require.LessOrEqual(t, m.waitsFor(first), 2*longest())
	}
}

// A counter that steps, or a virtual CPU that stands still, keeps neither of two threads from running for long.
func TestStepOfCounter(t *testing.T) {
	for _, step := range []uint64{10e9, 1 << 50, 1 << 62, 1<<64 - 10e9, 1 << 63} {
		for _, stepsFirst := range []bool{true, false} {
			m, first, second := alone(false)
			m.now += 1 << 40
			m.passes(1)
			m.wakes(0)
			if !stepsFirst {
				m.waitsFor(second)
			}
			m.now += step
			for range 10 {
				require.LessOrEqual(t, m.waitsFor(second), 3*longest(), "step %#x", step)
				m.passes(2 * fullRequest)
				require.LessOrEqual(t, m.waitsFor(first), 3*longest(), "step %#x", step)
				m.passes(2 * fullRequest)
			}
		}
	}
}

// Threads that each end before they have used up a request get a share together, not all the time.
func TestThreadsThatEndGetAShare(t *testing.T) {
	m, hog, _ := alone(false)
	others := uint64(0)
	for i := range 20_000 {
		x := thread(uint32(i+10), ClassUser)
		m.asleep = append(m.asleep[:0], x)
		m.wakes(0)
		for m.run != x {
			m.leaves(leaveReady)
			if m.run != x {
				m.passes(shortRequest)
			}
		}
		m.passes(shortRequest * 9 / 10)
		others += m.got[x]
		m.leaves(leaveDead)
	}
	require.InEpsilon(t, m.got[hog], others, 0.25)
}

// However many threads of the largest weight join one of the smallest, the sum does not wrap.
func TestSumDoesNotWrap(t *testing.T) {
	m := newFairModel([]uint64{15})
	f := &m.q.fair
	m.wakes(0)
	m.leaves(leaveReady)
	for f.sum < farSum/2 {
		m.passes(1_000_000)
	}
	before := f.average()
	for i := range 5000 {
		x := thread(uint32(i+10), ClassUser)
		x.share.weight = 88818
		f.join(&x.share)
		require.InDelta(t, 0, int64(f.average()-before), 1e6)
	}
}

// A CPU that was offline gives no debts: the time of its queue goes on.
func TestOnlineAgainIsNoDebt(t *testing.T) {
	m, first, second := alone(false)
	m.passes(longest())
	m.leaves(leaveParked)
	m.q.init(m.q.idle)
	m.wakes(0)
	m.wakes(0)
	require.Zero(t, int64(second.share.v-first.share.v))
	m.q.fair.died = first.share.v
	third := thread(3, ClassUser)
	m.q.fair.join(&third.share)
	require.Equal(t, first.share.v, third.share.v)
}
