//go:build explore

package sched

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"muster/kernel/atom"
	"muster/kernel/explore"
	"muster/kernel/ipi"
	"muster/kernel/percpu"
)

// besides searches a machine with a long thread, which runs until x has run, while a waker makes x ready. CPU 0 runs a third thread. CPUs 1
// and 2 take both, and no tick helps. first is how CPU 1 looks for a thread. setup puts the long thread somewhere, and returns what
// wakers do.
func besides(preemptions int, first func(m *machine, c *percpu.CPU) *Thread, setup func(m *machine, long, x *Thread) []func()) explore.Result {
	return explore.Run(explore.Model{Preemptions: preemptions, Setup: func() ([]func(), func() error) {
		m := newMachine(3)
		m.queues[0].running.Store(levelKernel)
		long, x := ready(0), ready(0)
		run := func(t *Thread) {
			if t == x {
				m.ran.Store(1)
				m.ipi[1].Store(1) // the other CPU sees the end
				m.ipi[2].Store(1)
				return
			}
			for m.ran.Load() == 0 {
				atom.Pause()
			}
		}
		idles := func(id int, look func(m *machine, c *percpu.CPU) *Thread) func() {
			return func() {
				for c := m.cpus[id]; m.ran.Load() == 0; {
					if t := look(m, c); t != nil {
						m.queues[id].sendKicks(c)
						run(t)
						continue
					}
					for m.ipi[id].Load() == 0 {
						atom.Pause()
					}
					m.ipi[id].Store(0)
					ipi.Take(c, ipi.Reschedule)
				}
			}
		}
		return append(setup(m, long, x), idles(1, first), idles(2, looks)), func() error { return nil }
	}})
}

// waker is a program in which a CPU makes a thread ready by wake.
func (m *machine) waker(id int, wake func(c *percpu.CPU)) func() {
	return func() {
		wake(m.cpus[id])
		m.queues[id].sendKicks(m.cpus[id])
	}
}

// looks is how a CPU looks for a thread that runs its idle thread.
func looks(_ *machine, c *percpu.CPU) *Thread { return look(c) }

// goesIdle is how a CPU looks for a thread whose thread stops, with a given stealFrom: first as in reschedule, then as in Idle.
func goesIdle(stealFrom func(c, v *percpu.CPU) *Thread) func(m *machine, c *percpu.CPU) *Thread {
	return func(m *machine, c *percpu.CPU) *Thread {
		t := local(c).next(c, local(c).idle, leaveIdle, counter())
		if t == nil {
			t = stealFrom(c, m.cpus[0])
		}
		if t == nil {
			t = look(c)
		}
		return t
	}
}

// besideStolen is besides for a waker that has claimed CPU 1 a while ago, and gives x to it while that CPU steals the long thread.
func besideStolen(give func(c, to *percpu.CPU, t *Thread) bool, stealFrom func(c, v *percpu.CPU) *Thread) explore.Result {
	return besides(explore.Bound(2, 3), goesIdle(stealFrom), func(m *machine, long, x *Thread) []func() {
		m.queues[0].add(m.cpus[0], long)
		return []func(){m.waker(0, func(c *percpu.CPU) { give(c, m.cpus[1], x) })}
	})
}

// A thread that comes to an idle CPU, which steals another one at that moment, runs on a third CPU.
func TestThreadBesideStolen(t *testing.T) {
	r := besideStolen(giveClaimed, stealFrom)
	t.Log(r)
	require.NoError(t, r.Err)
	require.True(t, r.Complete)
}

// Negative controls: a waker, and a CPU that steals, that tell no other CPU of the thread that waits.
func TestThreadBesideStolenIsFound(t *testing.T) {
	silent := besideStolen(give, stealFrom)
	require.ErrorContains(t, silent.Err, "waits forever")
	thief := besideStolen(giveClaimed, func(c, v *percpu.CPU) *Thread {
		t := local(v).pull(c, true)
		if t != nil {
			local(c).adopt(c, t)
		}
		return t
	})
	require.ErrorContains(t, thief.Err, "waits forever")
	t.Log(silent, thief)
}

// besideOther is besides for CPU 1 that was claimed twice, and gets two threads.
func besideOther(give func(c, to *percpu.CPU, t *Thread) bool) explore.Result {
	return besides(2, looks, func(m *machine, long, x *Thread) []func() {
		return []func(){m.waker(0, func(c *percpu.CPU) {
			give(c, m.cpus[1], long)
			give(c, m.cpus[1], x)
		})}
	})
}

// Of two threads that come to one idle CPU, the second one runs on another.
func TestThreadBesideOther(t *testing.T) {
	r := besideOther(giveClaimed)
	t.Log(r)
	require.NoError(t, r.Err)
	require.True(t, r.Complete)
}

// Negative control: a waker that does not tell others.
func TestThreadBesideOtherIsFound(t *testing.T) {
	r := besideOther(give)
	require.ErrorContains(t, r.Err, "waits forever")
	t.Log(r)
}

// besideFound is besides for a waker that claims one of the CPUs 1 and 2 to make it steal x, or to run it, while the long thread waits, too.
func besideFound(last uint32, look func(m *machine, c *percpu.CPU) *Thread) explore.Result {
	return besides(2, look, func(m *machine, long, x *Thread) []func() {
		m.queues[0].add(m.cpus[0], long)
		x.cpu.Store(last)
		return []func(){m.waker(0, func(c *percpu.CPU) { enqueue(c, x) })}
	})
}

// A CPU that a waker claims, to make it look, after it has found another thread: another CPU looks in its place.
func TestThreadBesideFound(t *testing.T) {
	for last := range explore.Bound[uint32](1, 2) {
		r := besideFound(last, looks)
		t.Log(r)
		require.NoError(t, r.Err)
		require.True(t, r.Complete)
	}
}

// Negative control: a CPU that does not notice that it was claimed.
func TestThreadBesideFoundIsFound(t *testing.T) {
	r := besideFound(0, func(_ *machine, c *percpu.CPU) *Thread {
		idle.Set(c.ID)
		next := local(c).next(c, local(c).idle, leaveIdle, counter())
		if next == nil {
			next = steal(c)
		}
		if next != nil {
			idle.Clear(c.ID)
		}
		return next
	})
	require.ErrorContains(t, r.Err, "waits forever")
	t.Log(r)
}

// spares searches a CPU that looks in vain for threads at the queue of CPU 0, where a thread has waited before, while that CPU makes a
// thread ready. spent is what the first CPU does with the queue.
func spares(spent func(q *runQueue, c *percpu.CPU)) explore.Result {
	return explore.Run(explore.Model{Preemptions: explore.Unbounded, Setup: func() ([]func(), func() error) {
		m := newMachine(2)
		q := m.queues[0]
		q.running.Store(levelKernel)
		q.spare.Store(1)
		return []func(){
				func() { q.put(m.cpus[0], ready(0)) },
				func() {
					if q.spare.Load() != 0 && q.pull(m.cpus[1], true) == nil {
						spent(q, m.cpus[1])
					}
				},
			}, func() error {
				if q.count.Load() != 0 && q.spare.Load() == 0 {
					return errors.New("no idle CPU looks at a queue in which a thread waits")
				}
				return nil
			}
	}})
}

// A queue in which a thread waits is not taken for an empty one.
func TestThreadBesideLook(t *testing.T) {
	r := spares((*runQueue).spent)
	t.Log(r)
	require.NoError(t, r.Err)
	require.True(t, r.Complete)
}

// Negative control: a CPU that has looked in vain, and does not look again under the lock.
func TestThreadBesideLookIsFound(t *testing.T) {
	r := spares(func(q *runQueue, _ *percpu.CPU) { q.spare.Publish(0) })
	require.ErrorContains(t, r.Err, "no idle CPU looks")
	t.Log(r)
}
