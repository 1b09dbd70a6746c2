//go:build explore

package sched

import (
	"errors"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"

	"muster/kernel/clock"
	"muster/kernel/cpu"
	"muster/kernel/explore"
	"muster/kernel/percpu"
)

// anHour is far more counter ticks than a model takes.
const anHour = 1 << 44

// runs searches a thread that CPU 0 has run last, and that CPU 1 runs now, by begin, while
// another CPU looks at it. CPU 0 has not counted for an hour.
func runs(begin func(t *Thread, c *percpu.CPU), look func(m *machine, t *Thread), check func(m *machine, t *Thread) error) explore.Result {
	return explore.Run(explore.Model{Preemptions: explore.Unbounded, Setup: func() ([]func(), func() error) {
		m := newMachine(3)
		x := ready(0)
		x.Used.Init()
		m.queues[0].since.Store(cpu.TSC() - anHour)
		m.queues[1].since.Store(cpu.TSC() - anHour)
		c, q := m.cpus[1], m.queues[1]
		return []func(){
			func() { q.charge(q.idle); begin(x, c) },
			func() { look(m, x) },
		}, func() error { return check(m, x) }
	}})
}

// timed is runs for a CPU that reads the thread's time.
func timed(begin func(t *Thread, c *percpu.CPU), read func(t *Thread) clock.Time) explore.Result {
	return runs(begin, func(_ *machine, x *Thread) { read(x) }, func(_ *machine, x *Thread) error {
		if x.Used.seen.Load() > anHour/2 {
			return errors.New("the thread has the time of a CPU that does not run it")
		}
		return nil
	})
}

// A thread that changes its CPU has the time of no other thread.
func TestRunnerIsTheRunningCPU(t *testing.T) {
	r := timed((*Thread).runsOn, (*Thread).ThreadTime)
	t.Log(r)
	require.NoError(t, r.Err)
	require.True(t, r.Complete)
}

// Negative control: a switch that says that the thread runs before it says where.
func TestStateBeforeCPUIsFound(t *testing.T) {
	r := timed(func(x *Thread, c *percpu.CPU) {
		x.state.Store(stRunning)
		x.cpu.Store(c.ID)
	}, (*Thread).ThreadTime)
	require.ErrorContains(t, r.Err, "the time of a CPU that does not run it")
	t.Log(r)
}

// Negative control: a reader that looks where the thread runs before it looks whether it runs.
func TestCPUBeforeStateIsFound(t *testing.T) {
	r := timed((*Thread).runsOn, func(x *Thread) clock.Time {
		ticks := x.Used.ticks.Load()
		if on := percpu.Get(x.cpu.Load()); x.state.Load() == stRunning {
			ticks += sinceCounted(local(on))
		}
		return clock.Time(x.Used.onward(ticks))
	})
	require.ErrorContains(t, r.Err, "the time of a CPU that does not run it")
	t.Log(r)
}

// stopped searches a thread whose CPU switches to another one, which runs for an hour, while
// read returns the thread's time, or its group's.
func stopped(read func(t *Thread) clock.Time, used func(t *Thread) *Usage) explore.Result {
	return explore.Run(explore.Model{Preemptions: explore.Unbounded, Setup: func() ([]func(), func() error) {
		m := newMachine(2)
		c, q, x := m.cpus[1], m.queues[1], ready(1)
		x.Used.Init()
		x.Group = &Usage{}
		x.Group.Init()
		x.runsOn(c)
		q.since.Store(cpu.TSC())
		q.group.Store(uintptr(unsafe.Pointer(x.Group)))
		q.account.turnTo(c, q.group.Load())
		return []func(){
				func() {
					q.charge(x)
					q.group.Store(0)
					x.state.Store(stParked)
					q.since.Store(cpu.TSC() - anHour)
				},
				func() { read(x) },
			}, func() error {
				if used(x).seen.Load() > anHour/2 {
					return errors.New("the time of the next thread counts")
				}
				return nil
			}
	}})
}

// groupOf and usedBy return where the time of a thread is counted.
func groupOf(x *Thread) *Usage { return x.Group }
func usedBy(x *Thread) *Usage  { return &x.Used }

// What a CPU does after it has counted a thread's time is no time of that thread.
func TestTimeEndsWithTheTurn(t *testing.T) {
	for _, r := range []explore.Result{
		stopped((*Thread).ThreadTime, usedBy),
		stopped(func(x *Thread) clock.Time { return x.Group.GroupTime(percpu.Get(0)) }, groupOf),
	} {
		t.Log(r)
		require.NoError(t, r.Err)
		require.True(t, r.Complete)
	}
}

// Negative controls: readers that do not look whether the time was counted meanwhile.
func TestTimeOfTheNextThreadIsFound(t *testing.T) {
	thread := stopped(func(x *Thread) clock.Time {
		ticks := x.Used.ticks.Load()
		if on := x.runner(); on != nil {
			ticks += sinceCounted(local(on))
		}
		return clock.Time(x.Used.onward(ticks))
	}, usedBy)
	require.ErrorContains(t, thread.Err, "the time of the next thread counts")
	group := stopped(func(x *Thread) clock.Time {
		u := x.Group
		ticks := u.ticks.Load()
		if q := local(percpu.Get(1)); q.runs(u) {
			ticks += sinceCounted(q)
		}
		return clock.Time(u.onward(ticks))
	}, groupOf)
	require.ErrorContains(t, group.Err, "the time of the next thread counts")
	t.Log(thread, group)
}
