package sched

import (
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"

	"muster/kernel/clock"
	"muster/kernel/percpu"
)

// The ticks of all CPUs are a period apart, and no two CPUs tick at the same moment.
func TestStaggered(t *testing.T) {
	const n, period = 7, 10 * clock.Millisecond
	for id := range uint32(n) {
		for _, now := range []clock.Time{0, 1, period - 1, period, 12345678901, period * clock.Time(id) / n, period*clock.Time(id)/n - 1} {
			at := staggered(id, n, now, period)
			require.Greater(t, at, now)
			require.LessOrEqual(t, at, now+period)
			require.Equal(t, at+period, staggered(id, n, at, period))
			require.Equal(t, period/n*clock.Time(id), at%period)
		}
	}
}

// plan gives the time to the next tick for each reason to tick.
func TestPlan(t *testing.T) {
	reasons := map[string]struct {
		prepare func(c *percpu.CPU, q *runQueue, run *Thread)
		want    clock.Time
	}{
		"one thread":              {func(*percpu.CPU, *runQueue, *Thread) {}, slowTicks * 10 * clock.Millisecond},
		"idle":                    {func(c *percpu.CPU, q *runQueue, _ *Thread) { c.Current = uintptr(unsafe.Pointer(q.idle)) }, clock.Second},
		"a second thread":         {func(c *percpu.CPU, q *runQueue, _ *Thread) { q.add(c, thread(2, ClassUser)) }, 10 * clock.Millisecond},
		"a request":               {func(c *percpu.CPU, _ *runQueue, _ *Thread) { c.Pending.Store(1) }, 10 * clock.Millisecond},
		"a suspicion":             {func(_ *percpu.CPU, q *runQueue, _ *Thread) { q.suspects = true }, 10 * clock.Millisecond},
		"a limit":                 {func(_ *percpu.CPU, _ *runQueue, run *Thread) { run.Used.Limit.Store(5) }, 10 * clock.Millisecond},
		"a limit of its group":    {func(_ *percpu.CPU, _ *runQueue, run *Thread) { run.Group = &Usage{} }, 10 * clock.Millisecond},
		"nohz=off":                {func(*percpu.CPU, *runQueue, *Thread) { KeepTicking(ByOption, true) }, 10 * clock.Millisecond},
		"faults, with the option": {func(*percpu.CPU, *runQueue, *Thread) { KeepTicking(ByFaults, true) }, 10 * clock.Millisecond},
	}
	for name, tc := range reasons {
		t.Run(name, func(t *testing.T) {
			c, q, run := oneCPU(t)
			defer func() { always = 0 }()
			run.Used.Init()
			q.idle.Used.Init()
			tc.prepare(c, q, run)
			q.plan(c, clock.Second)
			require.Equal(t, tc.want, q.nextTick-q.planned)
			require.Equal(t, tc.want == tickPeriod, q.ticking.Load() != 0)
			q.retick(c)
			require.Equal(t, tc.want == tickPeriod, q.ticking.Load() != 0)
		})
	}
}

// A thread that comes into the queue makes a CPU tick that has one thread, at most a period
// later. The timer is not programmed for each.
func TestSecondThreadStartsTick(t *testing.T) {
	c, q, run := oneCPU(t)
	run.Used.Init()
	q.adopt(c, run)
	q.armed = clock.Never
	q.plan(c, clock.Now())
	q.program(q.nextTick)
	require.Zero(t, q.ticking.Load())
	for i := range uint32(3) {
		x := thread(i, ClassUser)
		give(c, c, x)
		require.EqualValues(t, 1, q.ticking.Load())
		require.LessOrEqual(t, q.armed, clock.Now()+tickPeriod)
	}
	require.Zero(t, c.Resched, "the thread that runs keeps its turn")
}

// The watchdog's time passes as planned, however often a tick comes earlier than it was planned.
func TestEarlyTickKeepsLived(t *testing.T) {
	c, q, _ := oneCPU(t)
	now := clock.Now()
	q.planned, q.nextTick, q.armed = now-500*clock.Millisecond, now+500*clock.Second, clock.Never
	q.startTick(c)
	require.GreaterOrEqual(t, q.lived, 500*clock.Millisecond)
	require.GreaterOrEqual(t, q.planned, now)
	require.LessOrEqual(t, q.nextTick-q.planned, tickPeriod)
}

// The samples of a thread that is seldom sampled stand for the time between them.
func TestWeight(t *testing.T) {
	_, q, _ := oneCPU(t)
	at := func(d clock.Time) uint64 {
		q.since.Store(q.sampled + clock.Ticks(d))
		return q.weight()
	}
	require.EqualValues(t, 1, at(clock.Millisecond))
	require.EqualValues(t, 1, at(10*clock.Millisecond))
	require.EqualValues(t, 10, at(100*clock.Millisecond))
	require.EqualValues(t, 200, at(100*clock.Second), "a machine that was stopped")
}
