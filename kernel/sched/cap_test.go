package sched

import (
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"

	"muster/kernel/clock"
	"muster/kernel/percpu"
)

// partsOf lets threads compute on one CPU for 20 seconds, with a look at the queue at each tick. It returns the part of the time that
// each got.
func partsOf(threads []*Thread, tick clock.Time, look func(q *runQueue)) map[uint32]float64 {
	const end = 20 * clock.Second
	clock.SetHz(1e9)
	c, q := oneQueue()
	for _, x := range threads {
		q.add(c, x)
	}
	parts := map[uint32]float64{}
	now := uint64(1)
	run := q.next(c, q.idle, leaveIdle, now)
	for ; now < uint64(end); now += uint64(tick) {
		how := leaveReady
		if run.turns {
			how = leaveYield
		}
		if next := q.takes(c, run, how, now); next != nil {
			run = next
		}
		parts[run.ID] += float64(tick) / float64(end)
		look(q)
	}
	return parts
}

// computes returns a thread of a program that computes with a policy.
func computes(id, priority uint32, turns bool) *Thread {
	t := thread(id, ClassUser)
	t.state.Store(stNew)
	t.SetPolicy(&percpu.CPU{}, priority, turns)
	return t
}

// Threads of programs in the real-time class get 95% of the time if one of the fair class is ready, and all of it otherwise. The first
// one of the best priority gets it, or those take turns that do. The kernel's threads have no cap.
func TestCap(t *testing.T) {
	nothing := func(*runQueue) {}
	for name, tc := range map[string]struct {
		threads []*Thread
		want    map[uint32]float64
	}{
		"FIFO":            {[]*Thread{computes(1, 1, false), computes(2, 0, false)}, map[uint32]float64{1: 0.95, 2: 0.05}},
		"alone":           {[]*Thread{computes(1, 1, false), computes(2, 1, false)}, map[uint32]float64{1: 1}},
		"by priority":     {[]*Thread{computes(1, 5, false), computes(2, 6, false), computes(3, 0, false)}, map[uint32]float64{2: 0.95, 3: 0.05}},
		"in turns":        {[]*Thread{computes(1, 99, true), computes(2, 99, true), computes(3, 0, false)}, map[uint32]float64{1: 0.475, 2: 0.475, 3: 0.05}},
		"several fair":    {[]*Thread{computes(1, 50, false), computes(2, 0, false), computes(3, 0, false)}, map[uint32]float64{1: 0.95, 2: 0.025, 3: 0.025}},
		"the kernel's":    {[]*Thread{thread(1, ClassKernel), computes(2, 99, false), computes(3, 0, false)}, map[uint32]float64{1: 1}},
		"fair alone":      {[]*Thread{computes(1, 0, false), computes(2, 0, false)}, map[uint32]float64{1: 0.5, 2: 0.5}},
		"lowest priority": {[]*Thread{computes(1, 1, false), thread(2, ClassUser)}, map[uint32]float64{1: 0.95, 2: 0.05}},
	} {
		t.Run(name, func(t *testing.T) {
			got := partsOf(tc.threads, 10*clock.Millisecond, nothing)
			for id := range uint32(4) {
				require.InDelta(t, tc.want[id], got[id], 0.011, "thread %d of %v", id, got)
			}
		})
	}
}

// However seldom a CPU looks at its queue, the fair class has its part.
func TestCapOfSeldomLooks(t *testing.T) {
	for _, tick := range []clock.Time{1, 49, 51, 100, 333, 990, 1000, 2000} {
		got := partsOf([]*Thread{computes(1, 99, false), computes(2, 0, false)}, tick*clock.Millisecond, func(*runQueue) {})
		require.GreaterOrEqual(t, got[2], 0.048, "a look in %d ms", tick)
		require.GreaterOrEqual(t, got[1], 0.499, "a look in %d ms", tick)
	}
}

// A thread of the real-time class that was alone owes nothing to one of the fair class that comes later.
func TestNothingIsOwedForTimeAlone(t *testing.T) {
	clock.SetHz(1e9)
	c, q := oneQueue()
	c.Sched = uintptr(unsafe.Pointer(q)) // q is c's queue: its counter counts
	q.fair.since = counter()
	q.add(c, computes(1, 50, false))
	run := q.next(c, q.idle, leaveIdle, counter())
	require.EqualValues(t, 1, run.ID)
	q.cap.since -= uint64(5 * clock.Second) // it has run for five seconds
	q.add(c, computes(2, 0, false))
	require.Nil(t, q.next(c, run, leaveReady, q.fair.since))
	require.Less(t, q.cap.owed, capTurn)
	require.False(t, q.cap.pays)
}

// Negative control: time that is not counted.
func TestNoCapIsFound(t *testing.T) {
	got := partsOf([]*Thread{computes(1, 1, false), computes(2, 0, false)}, 10*clock.Millisecond, func(q *runQueue) { q.cap.owed, q.cap.pays = 0, false })
	require.InDelta(t, 1, got[1], 0.001)
}

// A thread of the real-time class preempts one of the fair class and one of a lower priority when it wakes up, and no equal.
func TestPriorityPreempts(t *testing.T) {
	c, q := oneQueue()
	q.add(c, computes(200, 0, false))
	run := q.next(c, q.idle, leaveIdle, 1)
	for _, priority := range []uint32{2, 50, 99} {
		_, better := q.put(c, computes(priority, priority, false))
		require.True(t, better)
		run = q.takes(c, run, leaveReady, 1)
		require.Equal(t, priority, run.ID)
		for _, other := range []uint32{priority, priority - 1, 0} {
			_, better = q.put(c, computes(100+priority, other, true))
			require.False(t, better)
		}
		require.Nil(t, q.takes(c, run, leaveReady, 1))
	}
}
