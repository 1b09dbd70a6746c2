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
		x.pinned = true
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
