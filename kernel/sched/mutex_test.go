//go:build !explore

package sched

import (
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"

	"muster/kernel/percpu"
)

// A mutex that threads wait for stays free when it is given up, so that a thread that runs goes on without a
// switch. The first that waits sees that a few times, and then the mutex is handed over.
func TestMutexIsHandedOverInTheEnd(t *testing.T) {
	m := &Mutex{}
	m.Init()
	runs := &percpu.CPU{ThreadID: 1}
	first, second := thread(7, ClassKernel), thread(8, ClassKernel)
	require.Same(t, runs, m.Lock(runs))
	m.waiters.Push(&first.Wait) // as Lock of the two does before they park
	m.waiters.Push(&second.Wait)
	for i := range mostPassed {
		m.Unlock(runs)
		require.False(t, m.held, "time %d", i)
		require.EqualValues(t, 1, first.token.Load(), "the first waiter was woken")
		require.Same(t, runs, m.Lock(runs), "another one is faster")
	}
	m.Unlock(runs)
	require.True(t, m.held)
	require.True(t, first.granted)
	require.False(t, first.Wait.Linked())
	require.Zero(t, second.token.Load())

	other := &percpu.CPU{ThreadID: 7, Current: uintptr(unsafe.Pointer(first))}
	m.Unlock(other)
	require.False(t, m.held)
	require.EqualValues(t, 1, second.token.Load())
	m.mu.Lock(other)
	require.True(t, m.takes(other, second))
	m.mu.Unlock(other)
	require.True(t, m.held)
	require.Nil(t, m.waiters.First())
	require.Zero(t, m.passed)
}
