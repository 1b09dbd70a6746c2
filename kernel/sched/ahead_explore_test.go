//go:build explore

package sched

import (
	"testing"

	"github.com/stretchr/testify/require"

	"muster/kernel/percpu"
)

// idleWith is an idle CPU with so many pages to clear. It counts the windows between them, and halts.
func idleWith(t *testing.T, pages int) (m *machine, q *runQueue, windows, halts *int) {
	m = newMachine(2)
	q, windows, halts = m.queues[0], new(int), new(int)
	idle.Set(0)
	q.ticking.Store(1)
	dirty = pages
	opened = func(*percpu.CPU) { *windows++ }
	waited = func(*percpu.CPU) { *halts++ }
	t.Cleanup(func() { dirty, opened, waited = 0, nil, nil })
	return m, q, windows, halts
}

// An idle CPU that clears pages lets interrupts in after each one, and halts when there are enough.
func TestIdleCPUClearsPages(t *testing.T) {
	m, q, windows, halts := idleWith(t, 5)
	for i := range 5 {
		require.True(t, q.halt(m.cpus[0]))
		require.Equal(t, []int{i + 1, 0}, []int{*windows, *halts})
	}
	require.Zero(t, q.wakes, "it has not been woken up")
	for i := range 3 {
		require.True(t, q.halt(m.cpus[0]))
		require.Equal(t, []int{5, i + 1}, []int{*windows, *halts})
	}
}

// A thread that comes while an idle CPU clears pages runs after the page that is being cleared: by a waker that has taken the CPU out of
// the set, by one that has put a thread into its queue, and by an interrupt that has made the CPU look.
func TestThreadComesWhileCPUClearsPages(t *testing.T) {
	for name, wake := range map[string]func(m *machine, c *percpu.CPU){
		"claimed": func(_ *machine, c *percpu.CPU) { idle.Clear(c.ID) },
		"queued":  func(m *machine, c *percpu.CPU) { m.queues[0].add(c, ready(1)) },
		"request": func(_ *machine, c *percpu.CPU) { c.Resched = 1 },
		"offline": func(_ *machine, c *percpu.CPU) { c.State.Store(percpu.Leaving) },
	} {
		t.Run(name, func(t *testing.T) {
			m, q, windows, halts := idleWith(t, 100)
			c := m.cpus[0]
			opened = func(c *percpu.CPU) {
				if *windows++; *windows == 3 {
					wake(m, c)
				}
			}
			for n := 0; n < 200 && q.halt(c); n++ {
			}
			require.Equal(t, []int{3, 0, 97}, []int{*windows, *halts, dirty})
		})
	}
}

// An interrupt between two pages that wakes a thread for another CPU: its IPI is sent before the next page.
func TestKicksBetweenPages(t *testing.T) {
	m, q, _, _ := idleWith(t, 2)
	opened = func(c *percpu.CPU) {
		if dirty == 1 {
			m.cpus[1].Pending.Store(0)
			Kick(c, m.cpus[1])
		}
		require.Zero(t, m.ipi[1].Load())
	}
	require.True(t, q.halt(m.cpus[0]))
	require.EqualValues(t, 1, m.ipi[1].Load())
}
