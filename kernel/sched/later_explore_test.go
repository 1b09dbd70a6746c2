//go:build explore

package sched

import (
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"

	"muster/kernel/apic"
	"muster/kernel/ipi"
	"muster/kernel/lock"
	"muster/kernel/percpu"
	"muster/kernel/vector"
)

// A CPU that wakes threads under a lock sends the IPIs when it has released the lock, one for
// each CPU and kind, and does not leave the core before.
func TestKicksWaitForTheLock(t *testing.T) {
	m := newMachine(3)
	c := m.cpus[0]
	var sent []uint32
	apic.Sent = func(dest, _ uint32) { sent = append(sent, dest) }
	me := &Thread{}
	me.Used.Init()
	c.Current = uintptr(unsafe.Pointer(me))
	m.queues[2].running.Store(uint32(ClassKernel))
	m.queues[0].ticking.Store(1)
	mu := lock.Spin{Rank: lock.RankFile}
	mu.Lock(c)
	for _, last := range []uint32{1, 1, 2, 2} {
		x := ready(last)
		x.binding.bound.Store(boundTo + x.cpu.Load())
		x.state.Store(stParked)
		Unpark(c, x)
	}
	Kick(c, m.cpus[1])
	mu.Unlock(c)
	require.Empty(t, sent)
	require.EqualValues(t, 2, m.queues[1].count.Load(), "in its queue all the same")
	require.True(t, Pending(c))
	require.Same(t, c, resched(c))
	require.Equal(t, []uint32{1, 2}, sent)
	require.EqualValues(t, 1<<ipi.Reschedule, m.cpus[1].Pending.Load(), "it is idle")
	require.EqualValues(t, 1<<ipi.Timer, m.cpus[2].Pending.Load(), "it runs a thread as good, without a tick")
	require.False(t, Pending(c))
	m.queues[0].sendKicks(c)
	require.Len(t, sent, 2, "once")
}

// An interrupt that wakes a thread for another CPU while this one halts: its IPI is sent before this CPU halts again,
// and before it looks for a thread.
func TestKicksOfAnInterruptInTheHalt(t *testing.T) {
	m := newMachine(3)
	c, q := m.cpus[0], m.queues[0]
	var sent []uint32
	apic.Sent = func(dest, _ uint32) { sent = append(sent, dest) }
	defer func() { waited = nil }()
	q.ticking.Store(1)
	for id := range uint32(2) { // both are idle
		idle.Set(id)
	}
	waited = func(c *percpu.CPU) {
		c.WokenBy = vector.Timer
		x := ready(1)
		x.state.Store(stParked)
		Unpark(c, x)
		require.Empty(t, sent)
	}
	require.True(t, q.halt(c), "nothing for this CPU")
	require.Equal(t, []uint32{1}, sent)
	require.EqualValues(t, 1, m.queues[1].count.Load())
}

// A CPU sends the IPIs before it switches threads, and after the switch those for the thread that it has left.
func TestKicksAroundASwitch(t *testing.T) {
	m := newCrew(switches{}, 1)
	c, q, to := m.cpus[0], m.queues[0], m.cpus[1]
	var sent []uint32
	apic.Sent = func(dest, _ uint32) { sent = append(sent, dest) }
	q.ticking.Store(1)
	m.running(0, ClassKernel)
	m.queued(0)
	switched = func(c *percpu.CPU, _, _ *Thread) *percpu.CPU {
		require.Equal(t, []uint32{1}, sent)
		to.Pending.Store(0)
		idle.Set(1) // so it is offered the thread
		return c
	}
	Kick(c, to)
	require.Same(t, c, Yield(c))
	require.Equal(t, []uint32{1, 1}, sent)
}

// A CPU that goes offline has sent all IPIs before each window and at the end: those that were noted before, those for
// the threads that it gives away, and those of interrupts in the windows.
func TestKicksOfACPUThatLeaves(t *testing.T) {
	m := newMachine(3)
	c, q := m.cpus[1], m.queues[1]
	var steps []uint32
	apic.Sent = func(uint32, uint32) { steps = append(steps, c.Step.Load()) }
	none := func() { require.Zero(t, q.kicks.filled|q.ticks.filled) }
	windows := 0
	opened = func(c *percpu.CPU) {
		none()
		windows++
		Kick(c, m.cpus[0])
		m.cpus[0].Pending.Store(0)
	}
	stopTimer = none
	defer func() { opened = nil }()
	for range leaveBatch + 1 {
		q.add(c, ready(1))
	}
	c.State.Store(percpu.Online)
	require.True(t, c.Dismiss())
	Kick(c, m.cpus[2])
	Idle(c)
	none()
	require.Greater(t, windows, 1)
	require.EqualValues(t, percpu.StepNone, steps[0], "before it gives its threads away")
}

// The IPIs go to the CPUs that were added, with any number.
func TestLaterHasEveryCPU(t *testing.T) {
	var l later
	for _, id := range []uint32{0, 63, 64, 130, percpu.Max - 1} {
		l.add(id)
	}
	require.Equal(t, uint64(1|1<<1|1<<2|1<<63), l.filled)
	require.Equal(t, uint64(1|1<<63), l.words[0])
	require.EqualValues(t, 1<<2, l.words[2])
	require.Equal(t, uint64(1<<63), l.words[63])
}
