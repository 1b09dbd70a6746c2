//go:build explore

package sched

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"muster/kernel/atom"
	"muster/kernel/explore"
	"muster/kernel/ipi"
	"muster/kernel/percpu"
)

// departs searches a machine whose CPU 0 makes a thread ready that CPU 1 has run before, while
// CPU 1 goes offline as CPU 2 requests. CPUs 0 and 2 are idle afterwards. wake is how
// CPU 0 makes the thread ready.
func departs(preemptions int, wake func(*percpu.CPU, *Thread)) explore.Result {
	return explore.Run(explore.Model{Preemptions: preemptions, Setup: func() ([]func(), func() error) {
		m := newMachine(3)
		stopTimer = func() {}
		m.queues[0].running.Store(levelKernel)
		m.queues[2].running.Store(levelKernel)
		m.cpus[1].State.Store(percpu.Online)
		var left atom.Uint32
		waker := func() {
			wake(m.cpus[0], ready(1))
			m.queues[0].sendKicks(m.cpus[0])
			if left.Load() != 0 && m.queues[1].count.Load() != 0 {
				panic("a thread is in the queue of a CPU that is offline")
			}
			m.queues[0].running.Store(levelIdle)
			m.idleLoop(0, 1, look)()
		}
		leaver := func() {
			c := m.cpus[1]
			for !c.IsLeaving() {
				if t := look(c); t != nil {
					t.state.Store(stRunning)
					if m.ran.Add(1) != 1 {
						panic("ran twice")
					}
					m.ipi[0].Store(1) // the others see the end
					m.ipi[2].Store(1)
					continue
				}
				for m.ipi[1].Load() == 0 {
					atom.Pause()
				}
				m.ipi[1].Store(0)
				ipi.Take(c, ipi.Reschedule)
			}
			leave(c)
			left.Store(1)
		}
		teller := func() {
			m.cpus[1].Dismiss()
			kick(m.cpus[2], m.cpus[1])
			m.queues[2].sendKicks(m.cpus[2])
			m.queues[2].running.Store(levelIdle)
			m.idleLoop(2, 1, look)()
		}
		return []func(){waker, leaver, teller}, func() error {
			if n := m.queues[1].count.Load(); n != 0 || idle.Has(1) {
				return fmt.Errorf("offline with %d threads in its queue, in the set of idle CPUs: %v", n, idle.Has(1))
			}
			return nil
		}
	}})
}

// The thread runs, and is in the queue of no CPU that is offline.
func TestLeaveLosesNoThread(t *testing.T) {
	r := departs(explore.Bound(2, 3), enqueue)
	t.Log(r)
	require.NoError(t, r.Err)
	require.True(t, r.Complete)
}

// Negative control: a waker that looks whether the queue is closed, and then takes its lock.
func TestLookBeforeLockIsFound(t *testing.T) {
	r := departs(explore.Bound(2, 3), func(c *percpu.CPU, x *Thread) {
		q := local(percpu.Get(1))
		q.mu.Lock(c)
		closed := q.closed
		q.mu.Unlock(c)
		if closed {
			enqueue(c, x)
			return
		}
		idle.Clear(1)
		q.mu.Lock(c)
		q.rt.put(x, false)
		q.count.Store(q.count.Load() + 1)
		q.mu.Unlock(c)
		kick(c, percpu.Get(1))
	})
	require.ErrorContains(t, r.Err, "in the queue of a CPU that is offline")
	t.Log(r)
}

// Negative control: a waker that takes the refusal of the CPU that it has claimed for success.
func TestForgottenRefusalIsFound(t *testing.T) {
	r := departs(explore.Bound(2, 3), func(c *percpu.CPU, x *Thread) {
		if id, ok := claim(1); ok {
			give(c, percpu.Get(id), x)
			return
		}
		enqueue(c, x)
	})
	require.ErrorContains(t, r.Err, "waits forever")
	t.Log(r)
}

// A CPU that leaves gives away all threads, those that are bound to it too, and its timers.
func TestLeaveGivesAllAway(t *testing.T) {
	m := newMachine(3)
	stopTimer = func() {}
	warnUnbound = func(*percpu.CPU, *Thread) {}
	c := m.cpus[1]
	c.State.Store(percpu.Leaving)
	m.queues[2].closed = true // it was never online
	var list []*Thread
	for i := range 2*leaveBatch + 3 {
		x := ready(1)
		if i%2 == 0 {
			x.bindTo(c, boundTo+1)
		}
		m.queues[1].add(c, x)
		list = append(list, x)
	}
	var timer Timer
	timer.Arm(c, 1000)
	leave(c)
	require.Zero(t, m.queues[1].count.Load())
	require.EqualValues(t, len(list), m.queues[0].count.Load(), "on the only CPU that takes threads")
	for _, x := range list {
		require.False(t, x.IsBound())
	}
	require.Equal(t, address(&m.queues[0].timers), timer.queue.Load())
	require.True(t, timer.Disarm(m.cpus[0]))
	n, _ := m.queues[1].put(c, ready(1))
	require.Zero(t, n)
	require.EqualValues(t, percpu.StepTimers, c.Step.Load())

	bound := ready(1)
	bound.bindTo(c, boundTo+1)
	enqueue(m.cpus[0], bound)
	require.False(t, bound.IsBound())
	require.EqualValues(t, len(list)+1, m.queues[0].count.Load())
}
