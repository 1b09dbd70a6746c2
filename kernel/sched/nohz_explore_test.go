//go:build explore

package sched

import (
	"errors"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"

	"muster/kernel/explore"
	"muster/kernel/ipi"
	"muster/kernel/percpu"
)

// stops searches a CPU that stops its tick while another one puts a thread into its queue.
// In the end it ticks, or an IPI is there that makes it look.
func stops(plan func(*runQueue, *percpu.CPU)) explore.Result {
	return explore.Run(explore.Model{Preemptions: explore.Unbounded, Setup: func() ([]func(), func() error) {
		m := newMachine(2)
		c, q := m.cpus[1], m.queues[1]
		run := &Thread{Class: ClassKernel}
		run.Used.Init()
		c.Current = uintptr(unsafe.Pointer(run))
		q.running.Store(uint32(ClassKernel))
		q.ticking.Store(1)
		programs := []func(){
			func() { give(m.cpus[0], c, ready(1)) },
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
