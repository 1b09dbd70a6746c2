//go:build explore

package sched

import (
	"errors"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"

	"muster/kernel/atom"
	"muster/kernel/explore"
	"muster/kernel/ipi"
	"muster/kernel/mem"
	"muster/kernel/percpu"
)

// stops searches a CPU that stops its tick while another one puts a thread into its queue.
// In the end it ticks, or an IPI is there that makes it look.
func stops(plan func(*runQueue, *percpu.CPU)) explore.Result {
	return explore.Run(explore.Model{Preemptions: explore.Unbounded, Setup: func() ([]func(), func() error) {
		m := newMachine(2)
		c, q := m.cpus[1], m.queues[1]
		run := thread(0, ClassKernel)
		run.Used.Init()
		c.Current = uintptr(unsafe.Pointer(run))
		q.running.Store(levelKernel)
		q.ticking.Store(1)
		programs := []func(){
			func() {
				give(m.cpus[0], c, ready(1))
				m.queues[0].sendKicks(m.cpus[0])
			},
			func() { plan(q, c) },
		}
		return programs, func() error {
			if q.ticking.Load() == 0 && m.ipi[1].Load() == 0 {
				return errors.New("a thread waits, and no tick comes")
			}
			if c.Pending.Load()&^(1<<ipi.Timer) != 0 {
				return errors.New("the thread that runs is as good")
			}
			return nil
		}
	}})
}

// A CPU that stops its tick finds the thread, or the waker finds that it does not tick.
func TestTickStopsForNoThread(t *testing.T) {
	r := stops(func(q *runQueue, c *percpu.CPU) { q.plan(c, 0) })
	t.Log(r)
	require.NoError(t, r.Err)
	require.True(t, r.Complete)
}

// Negative control: a CPU that looks first and stops its tick then.
func TestLookBeforeStopIsFound(t *testing.T) {
	r := stops(func(q *runQueue, c *percpu.CPU) {
		if !q.needsTick(c) {
			q.ticking.Store(0)
		}
	})
	require.ErrorContains(t, r.Err, "no tick comes")
	t.Log(r)
}

// prepare makes t a thread of the kernel, with one of the stacks.
func (m *machine) prepare(t *Thread, stack int, class Class) {
	low := uintptr(unsafe.Pointer(&stackMemory[stack]))
	t.Init(low, low+StackSize, uint32(stack), class, &mem.Kernel)
}

// begins searches an idle CPU that starts the first of two threads which another CPU gives
// it. In the end it ticks for the second, or an IPI is there that makes it look.
func begins(start func(*percpu.CPU, *Thread)) explore.Result {
	return explore.Run(explore.Model{Preemptions: explore.Bound(3, explore.Unbounded), Setup: func() ([]func(), func() error) {
		m := newMachine(2)
		c, q := m.cpus[1], m.queues[1]
		for i, x := range []*Thread{q.idle, &m.threads[0], &m.threads[1]} {
			m.prepare(x, i, ClassUser)
			x.cpu.Store(1)
			x.state.Store(stReady)
		}
		c.Current = uintptr(unsafe.Pointer(q.idle))
		m.queues[0].running.Store(levelKernel)
		programs := []func(){
			func() {
				enqueue(m.cpus[0], &m.threads[0])
				m.queues[0].sendKicks(m.cpus[0])
				enqueue(m.cpus[0], &m.threads[1])
				m.queues[0].sendKicks(m.cpus[0])
			},
			func() {
				for {
					c.Resched = 0
					if next := look(c); next != nil {
						start(c, next)
						return
					}
					for m.ipi[1].Load() == 0 {
						atom.Pause()
					}
					m.ipi[1].Store(0)
					ipi.Take(c, ipi.Reschedule)
				}
			},
		}
		return programs, func() error {
			if q.count.Load() != 0 && q.ticking.Load() == 0 && m.ipi[1].Load() == 0 {
				return errors.New("a thread waits, and no tick comes")
			}
			return nil
		}
	}})
}

// starts is runFromIdle without the switch of stacks.
func starts(c *percpu.CPU, next *Thread) {
	q := local(c)
	become(c, q, q.idle, next)
}

// Of two threads that come to an idle CPU, each with a Reschedule IPI, the second one gets ticks.
func TestIdleTicksForSecondThread(t *testing.T) {
	r := begins(starts)
	t.Log(r)
	require.NoError(t, r.Err)
	require.True(t, r.Complete)
}

// Negative control: a CPU that relies on the IPIs, which it has taken by then.
func TestQueueForgottenIsFound(t *testing.T) {
	r := begins(func(c *percpu.CPU, next *Thread) { local(c).running.Store(next.level) })
	require.ErrorContains(t, r.Err, "no tick comes")
	t.Log(r)
}

// limits searches a CPU that starts a thread, while another one sets a limit on that thread's
// CPU time. In the end the CPU ticks, or an IPI is there that makes it look.
func limits(start func(*percpu.CPU, *Thread)) explore.Result {
	return explore.Run(explore.Model{Preemptions: explore.Unbounded, Setup: func() ([]func(), func() error) {
		m := newMachine(3)
		c, q, x := m.cpus[1], m.queues[1], &m.threads[0]
		m.prepare(q.idle, 0, ClassKernel)
		m.prepare(x, 1, ClassUser)
		x.cpu.Store(2)
		x.state.Store(stReady)
		c.Current = uintptr(unsafe.Pointer(q.idle))
		programs := []func(){
			func() {
				x.Used.Limit.Store(5)
				LimitThread(m.cpus[0], &x.Used)
				m.queues[0].sendKicks(m.cpus[0])
			},
			func() { start(c, x) },
		}
		return programs, func() error {
			if q.ticking.Load() == 0 && m.ipi[1].Load() == 0 {
				return errors.New("a limit is set, and no tick comes")
			}
			return nil
		}
	}})
}

// The CPU that starts a thread finds the limit, or the CPU that sets the limit finds the other.
func TestLimitStartsTick(t *testing.T) {
	r := limits(starts)
	t.Log(r)
	require.NoError(t, r.Err)
	require.True(t, r.Complete)
}

// Negative control: a CPU that looks for a limit before it says that it runs the thread.
func TestLookBeforeRunIsFound(t *testing.T) {
	r := limits(func(c *percpu.CPU, next *Thread) {
		if next.limited() {
			local(c).startTick(c)
		}
		next.cpu.Store(c.ID)
		next.state.Store(stRunning)
	})
	require.ErrorContains(t, r.Err, "no tick comes")
	t.Log(r)
}
