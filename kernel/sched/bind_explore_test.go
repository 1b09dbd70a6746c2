//go:build explore

package sched

import (
	"testing"

	"github.com/stretchr/testify/require"

	"muster/kernel/atom"
	"muster/kernel/explore"
	"muster/kernel/ipi"
	"muster/kernel/percpu"
	"muster/kernel/upcall"
)

// binders is the code under test: how a set, or a policy, is stored for a thread, and how the thread looks at it on its way out of the
// core. fits says that the thread may go on.
type binders struct {
	bind   func(c *percpu.CPU, t *Thread, words *SetWords)
	settle func(c *percpu.CPU, t *Thread) *percpu.CPU
	fits   func(c *percpu.CPU, t *Thread) bool
}

var bindersShipped = binders{
	func(c *percpu.CPU, t *Thread, words *SetWords) { t.Bind(c, words, 0) },
	settleShipped,
	func(c *percpu.CPU, t *Thread) bool { return t.may(c.ID) },
}

func settleShipped(c *percpu.CPU, t *Thread) *percpu.CPU {
	t.Work.And(^uint32(WorkSettle))
	return Settle(c)
}

// bound is a crew with a thread that CPU 0 binds to itself while CPU 1 does something with it.
type bound struct {
	*crew
	x    *Thread
	code binders
	done atom.Uint32 // the set is stored
}

// outside is the program of x: it runs code outside the core until the set is stored and the thread is where it may be. Only an
// interrupt makes it look at its work.
func (m *bound) outside(c *percpu.CPU) *percpu.CPU {
	for {
		for m.x.Work.Load()&WorkSettle != 0 {
			c = m.code.settle(c, m.x)
		}
		for m.ipi[c.ID].Load() == 0 {
			if m.done.Load() != 0 && m.code.fits(c, m.x) {
				return c
			}
			atom.Pause()
		}
		m.ipi[c.ID].Store(0)
		ipi.Take(c, ipi.Reschedule)
	}
}

// binder is the program of CPU 0's first thread.
func (m *bound) binder(c *percpu.CPU) *percpu.CPU {
	m.code.bind(c, m.x, &SetWords{1})
	local(c).sendKicks(c)
	m.done.Store(1)
	return c
}

func nothing(c *percpu.CPU) *percpu.CPU { return c }

// bindings are what CPU 1 does with the thread meanwhile.
var bindings = map[string]func(m *bound) []func(){
	"the thread runs": func(m *bound) []func() {
		m.x = m.running(1, ClassKernel)
		return []func(){m.program(m.x, m.cpus[1], m.outside)}
	},
	"the thread has been bound before": func(m *bound) []func() {
		m.x = m.running(1, ClassKernel)
		m.x.Work.Store(WorkSettle)
		return []func(){m.program(m.x, m.cpus[1], m.outside)}
	},
	"the thread waits for the CPU": func(m *bound) []func() {
		other := m.running(1, ClassKernel)
		m.x = m.queued(1)
		return []func(){m.program(other, m.cpus[1], nothing), m.program(m.x, nil, m.outside)}
	},
	"the thread is made ready": func(m *bound) []func() {
		waker := m.running(1, ClassKernel)
		n := len(m.strands)
		m.x = m.queued(1)
		local(m.cpus[1]).takeOut(m.cpus[1], m.x)
		m.x.state.Store(stParked)
		m.busy[n].Store(0)
		return []func(){m.program(waker, m.cpus[1], func(c *percpu.CPU) *percpu.CPU {
			Unpark(c, m.x)
			return c
		}), m.program(m.x, nil, m.outside)}
	},
	"the thread is stolen": func(m *bound) []func() {
		other := m.running(1, ClassKernel)
		m.x = m.queued(0)
		return []func(){m.program(other, m.cpus[1], nothing), m.program(m.x, nil, m.outside)}
	},
}

// binds searches a thread that is bound in one of these cases.
func binds(preemptions int, code binders, way func(*bound) []func()) explore.Result {
	return explore.Run(explore.Model{Preemptions: preemptions, Setup: func() ([]func(), func() error) {
		m := &bound{crew: newCrew(switchesShipped, 0), code: code}
		for _, c := range m.cpus {
			c.State.Store(percpu.Online)
		}
		setter := m.running(0, ClassKernel)
		programs := append(way(m), m.program(setter, m.cpus[0], m.binder))
		m.count = uint32(len(programs))
		return append(programs, m.rest(0), m.rest(1)), func() error { return nil }
	}})
}

// A thread that is bound leaves each CPU that is not in its set before it runs code outside the core again, and gets to one
// that is.
func TestBoundThreadIsNotAstray(t *testing.T) {
	t.Cleanup(func() { switched, upcall.To.Reap = nil, nil })
	for name, way := range bindings {
		t.Run(name, func(t *testing.T) {
			r := binds(explore.Bound(1, 2), bindersShipped, way)
			t.Log(r)
			require.NoError(t, r.Err)
			require.True(t, r.Complete)
		})
	}
}

// starting searches a CPU that begins to run a thread, which another CPU binds elsewhere.
func starting(bind func(c *percpu.CPU, t *Thread, words *SetWords), fits func(c *percpu.CPU, t *Thread) bool) explore.Result {
	return explore.Run(explore.Model{Preemptions: explore.Unbounded, Setup: func() ([]func(), func() error) {
		m, x := newMachine(2), ready(1)
		return []func(){func() {
			for x.runsOn(m.cpus[1]); ; ipi.Take(m.cpus[1], ipi.Reschedule) {
				if x.Work.Load()&WorkSettle != 0 && !fits(m.cpus[1], x) {
					return
				}
				for m.ipi[1].Load() == 0 {
					atom.Pause()
				}
				m.ipi[1].Store(0)
			}
		}, func() {
			bind(m.cpus[0], x, &SetWords{1})
			m.queues[0].sendKicks(m.cpus[0])
		}}, func() error { return nil }
	}})
}

// A thread that begins to run finds that it has been bound, or its CPU is interrupted.
func TestBoundThreadIsInterrupted(t *testing.T) {
	r := starting(bindersShipped.bind, bindersShipped.fits)
	t.Log(r)
	require.NoError(t, r.Err)
	require.True(t, r.Complete)
}

// Negative control: a setter that looks whether a CPU runs the thread before it says that the set has changed.
func TestLookBeforeWorkIsFound(t *testing.T) {
	r := starting(func(c *percpu.CPU, x *Thread, words *SetWords) {
		x.binding.mu.Lock(c)
		x.binding.store(words, 0)
		x.binding.mu.Unlock(c)
		displace(c, x)
		x.Work.Or(WorkSettle)
	}, bindersShipped.fits)
	require.ErrorContains(t, r.Err, "waits forever")
	t.Log(r)
}

// Negative control: a thread that looks at its set before it says that it has.
func TestWorkClearedAfterLookIsFound(t *testing.T) {
	t.Cleanup(func() { switched, upcall.To.Reap = nil, nil })
	code := bindersShipped
	code.settle = func(c *percpu.CPU, x *Thread) *percpu.CPU {
		may := x.may(c.ID)
		x.Work.And(^uint32(WorkSettle))
		if may {
			return c
		}
		return Settle(c)
	}
	r := binds(explore.Bound(1, 2), code, bindings["the thread has been bound before"])
	require.ErrorContains(t, r.Err, "waits forever")
	t.Log(r)
}

// Negative control: a setter that takes a thread out of the queue in which it was before the lock.
func TestTakenFromOldQueueIsFound(t *testing.T) {
	t.Cleanup(func() { switched, upcall.To.Reap = nil, nil })
	code := bindersShipped
	code.bind = func(c *percpu.CPU, x *Thread, words *SetWords) {
		x.binding.mu.Lock(c)
		x.binding.store(words, 0)
		x.binding.mu.Unlock(c)
		x.Work.Or(WorkSettle)
		in := x.in.Load()
		if in == 0 || x.may(in-1) {
			displace(c, x)
			return
		}
		q := local(percpu.Get(in - 1))
		q.mu.Lock(c)
		if x.queued.Linked() {
			q.withdraw(c, x)
		}
		q.mu.Unlock(c)
		enqueue(c, x)
	}
	r := binds(explore.Bound(1, 2), code, bindings["the thread waits for the CPU"])
	require.Error(t, r.Err)
	t.Log(r)
}
