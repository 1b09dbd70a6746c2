//go:build explore

package cross

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"muster/kernel/abi"
	"muster/kernel/clock"
	"muster/kernel/explore"
	"muster/kernel/ipi"
	"muster/kernel/percpu"
)

// departs searches a machine whose CPU 0 calls all, and CPU 2 too, while CPU 1 goes offline.
func departs(preemptions int, call func(c *percpu.CPU, set *percpu.Mask), leave func(*percpu.CPU)) explore.Result {
	return explore.Run(explore.Model{Preemptions: preemptions, Setup: func() ([]func(), func() error) {
		m := newMachine(3)
		m.cpus[1].State.Store(percpu.Leaving)
		caller := func(id int) func() {
			return func() {
				call(m.cpus[id], &m.all)
				m.serveUntilAllDone(m.cpus[id])
			}
		}
		leaver := func() {
			c := m.cpus[1]
			m.interrupt(c)
			leave(c)
			m.all.Clear(1)
			m.done.Add(1)
		}
		return []func(){caller(0), leaver, caller(2)}, func() error {
			ran := m.cpus[1].Called.Load()
			if ran&^0x10001 != 0 {
				return fmt.Errorf("a call ran twice on the CPU that left: %#x", ran)
			}
			return m.check(0x10001, ran, 0x10001)()
		}
	}})
}

// Every caller returns. The CPU that leaves runs a call once, or not at all.
func TestCallsEndWhenCPULeaves(t *testing.T) {
	passes(t, departs(explore.Bound(2, 3), shipping.call, Leave))
}

// Negative control: a caller that does not look whether the CPU still answers.
func TestCallOfAbsentIsFound(t *testing.T) {
	r := departs(explore.Bound(2, 3), func(c *percpu.CPU, set *percpu.Mask) {
		c.OutFunc.Store(uint64(abi.CallCount))
		c.OutWord.Store(1 << (8 * c.ID))
		c.OutLeft.Store(1)
		for id, ok := set.Next(0); ok; id, ok = set.Next(id + 1) {
			if to := percpu.Get(id); to != c {
				c.OutLeft.Add(1)
				to.Callers.Set(c.ID)
			}
		}
		ipi.SendSet(c, set, ipi.Call)
		c.Called.Add(1 << (8 * c.ID))
		c.OutLeft.Add(^uint32(0))
		await(c, set, clock.Second)
	}, Leave)
	require.ErrorContains(t, r.Err, "waits forever")
	t.Log(r)
}

// Negative control: a CPU that runs the calls that it finds, and then says that it answers no more.
func TestServeBeforeEndIsFound(t *testing.T) {
	r := departs(explore.Bound(2, 3), shipping.call, func(c *percpu.CPU) {
		serve(c)
		c.EndCalls()
	})
	require.ErrorContains(t, r.Err, "waits forever")
	t.Log(r)
}
