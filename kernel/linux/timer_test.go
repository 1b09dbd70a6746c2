package linux

import (
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"

	"muster/kernel/clock"
	"muster/kernel/lock"
	"muster/kernel/percpu"
)

// Expiries that pass before the signal is taken are overruns, and the timer keeps its
// phase.
func TestFollowing(t *testing.T) {
	for _, tc := range []struct {
		at, interval, now, next clock.Time
		passed                  uint32
	}{
		{100, 10, 99, 100, 0},
		{100, 10, 100, 110, 0},
		{100, 10, 109, 110, 0},
		{100, 10, 110, 120, 1},
		{100, 10, 1000, 1010, 90},
		{0, 1, 1 << 62, 1<<62 + 1, 1<<31 - 1},
		{100, clock.Never - 1, 200, clock.Never, 0},
	} {
		next, passed := following(tc.at, tc.interval, tc.now)
		require.Equal(t, tc.next, next, "%+v", tc)
		require.Equal(t, tc.passed, passed, "%+v", tc)
	}
}

// The ids of timers differ, a CPU whose part is full makes timers in others, and there is a largest number.
func TestTimerParts(t *testing.T) {
	c := &percpu.CPU{ID: partsOfTimers + 3}
	p, _ := newTestProcess(c, 1)
	list := make([]timer, maxTimers+1)
	for i := range list[:maxTimers] {
		value := uint64(1) << 40
		list[i].value = value
		id, e := p.timers.add(c, &list[i], i%2 == 0)
		require.Zero(t, e)
		if i < maxTimers/partsOfTimers {
			require.EqualValues(t, i*partsOfTimers+3, id, "in its own part")
		}
		require.EqualValues(t, list[i].byID.Key, id)
		if i%2 == 0 {
			value = uint64(id)
		}
		require.Equal(t, value, list[i].value, "the id, if it is to be named by it")
	}
	_, e := p.timers.add(c, &list[maxTimers], false)
	require.Equal(t, EAGAIN, e)
	for i := range list[:maxTimers] {
		require.Same(t, &list[i], p.timers.name(c, list[i].byID.Key))
		unname(c)
	}
	require.Nil(t, p.timers.name(c, 1<<32-1))
	require.Same(t, &list[7], p.timers.remove(c, list[7].byID.Key))
	require.Nil(t, p.timers.remove(c, list[7].byID.Key), "twice")
	require.Nil(t, p.timers.name(c, list[7].byID.Key))
	require.Zero(t, c.Reading.Load())
	id, e := p.timers.add(c, &list[maxTimers], false)
	require.Zero(t, e)
	require.NotEqualValues(t, list[7].byID.Key, id, "an id comes again late")
	for range maxTimers {
		require.NotNil(t, p.timers.any(c))
	}
	require.Nil(t, p.timers.any(c))
}

func TestSpanOf(t *testing.T) {
	v, e := spanOf(2, 999999, 1e6)
	require.Zero(t, e)
	require.Equal(t, 2*clock.Second+999999*clock.Microsecond, v)
	_, e = spanOf(2, 1e6, 1e6)
	require.Equal(t, EINVAL, e)
	_, e = spanOf(1<<63, 0, 1e9)
	require.Equal(t, EINVAL, e)
	v, e = spanOf(1<<62, 5, 1e9)
	require.Zero(t, e)
	require.Equal(t, clock.Never-1, v)
}

func TestParseClock(t *testing.T) {
	for n, want := range map[int32]clockID{
		0: {kind: kindRealtime}, 1: {kind: kindMonotonic}, 2: {kind: kindProcessCPU}, 3: {kind: kindThreadCPU},
		4: {kind: kindRaw}, 7: {kind: kindBoottime}, 11: {kind: kindTAI},
		^int32(77)<<3 | 2: {kind: kindProcessCPU, dynamic: true, task: 77},
		^int32(78)<<3 | 6: {kind: kindThreadCPU, dynamic: true, task: 78},
		^int32(0)<<3 | 6:  {kind: kindThreadCPU, dynamic: true},
	} {
		id, ok := parseClock(uint64(n))
		require.True(t, ok, "%d", n)
		require.Equal(t, want, id, "%d", n)
	}
	for _, n := range []int32{8, 9, 10, 12, 99, ^int32(5)<<3 | 3, ^int32(5)<<3 | 7} {
		_, ok := parseClock(uint64(n))
		require.False(t, ok, "%d", n)
	}
}

// A timer that is set anew while a call of TimerExpired is on its way fires in the last
// call alone: before that a queue of package sched has the timer, and a delivery, which
// arms it, would put it into a second place.
func TestSetAnewWhileExpiring(t *testing.T) {
	c, p := &percpu.CPU{}, &Process{}
	p.mu.Rank = lock.RankProcess
	p.pending.init()
	tm := &timer{mu: lock.Spin{Rank: lock.RankTimer}, proc: p, sig: SIGALRM, refs: 3, armings: 2} // at 0 has passed
	TimerExpired(c, uintptr(unsafe.Pointer(tm)))
	require.Nil(t, tm.set, "fired in a queue")
	require.Zero(t, p.pending.bits.Load())
	TimerExpired(c, uintptr(unsafe.Pointer(tm)))
	require.Same(t, &p.pending, tm.set)
	require.Equal(t, bit(SIGALRM), p.pending.bits.Load())
	require.Equal(t, 1, tm.refs, "the table's")
}
