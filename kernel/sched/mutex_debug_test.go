//go:build debug

package sched

import (
	"testing"

	"github.com/stretchr/testify/require"

	"muster/kernel/cpu"
	"muster/kernel/percpu"
	"muster/kernel/upcall"
)

// caught returns the text of the panic of the core in f, "" for none.
func caught(t *testing.T, f func()) (msg string) {
	t.Helper()
	upcall.To.Panic = func(_ *percpu.CPU, _ *cpu.Frame, msg string, _, _ uint64) { panic(msg) }
	defer func() { upcall.To.Panic = nil }()
	defer func() { msg, _ = recover().(string) }()
	f()
	return ""
}

// AssertHeld follows the mutex from thread to thread: taken, handed over, freed.
func TestMutexAssertHeld(t *testing.T) {
	first, second := &percpu.CPU{ID: 0, ThreadID: 7}, &percpu.CPU{ID: 1, ThreadID: 9}
	held := func(c *percpu.CPU, m *Mutex) bool {
		msg := caught(t, func() { m.AssertHeld(c) })
		require.Contains(t, []string{"", "sched: mutex not held where it must be; thread, last holder"}, msg)
		return msg == ""
	}
	m := &Mutex{}
	m.Init()
	require.False(t, held(first, m))
	require.False(t, held(&percpu.CPU{}, m), "a thread without a number is not a holder either")

	require.Same(t, first, m.Lock(first))
	require.True(t, held(first, m))
	require.False(t, held(second, m), "another thread's")
	require.True(t, held(&percpu.CPU{ID: 3, ThreadID: 7}, m), "the thread may have moved to another CPU")

	m.waiters.Push(&thread(9, ClassKernel).Wait) // as Lock of second does before it parks
	m.passed = mostPassed
	m.Unlock(first)
	require.True(t, held(second, m))
	require.False(t, held(first, m))

	m.Unlock(second)
	require.False(t, held(second, m))
}
