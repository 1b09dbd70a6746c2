//go:build debug

package ipi

import (
	"testing"

	"github.com/stretchr/testify/require"

	"muster/kernel/cpu"
	"muster/kernel/lock"
	"muster/kernel/percpu"
	"muster/kernel/upcall"
)

// caught runs f with panics of the core turned into panics of the test.
func caught(t *testing.T, f func()) (msg string) {
	t.Helper()
	upcall.To.Panic = func(_ *percpu.CPU, _ *cpu.Frame, msg string, _, _ uint64) { panic(msg) }
	defer func() { upcall.To.Panic = nil }()
	defer func() { msg, _ = recover().(string) }()
	f()
	return ""
}

// A debug build panics where a CPU sends an IPI with a lock held, except the kinds that may.
func TestNoIPIUnderALock(t *testing.T) {
	mu := lock.Spin{Rank: lock.RankFile}
	to := &percpu.CPU{}
	to.Pending.Store(1<<Kinds - 1) // so that nothing is sent
	for k := range Kinds {
		c := &percpu.CPU{}
		require.Empty(t, caught(t, func() { Send(c, to, k) }), k)
		mu.Lock(c)
		msg := caught(t, func() { Send(c, to, k) })
		mu.Unlock(c)
		if k == Flush || k == Stop {
			require.Empty(t, msg, k)
		} else {
			require.Contains(t, msg, "held at a thread switch, a user copy or an IPI", k)
		}
	}
	c := &percpu.CPU{}
	mu.Lock(c)
	var none percpu.Mask
	require.Contains(t, caught(t, func() { Repeat(c, to, Timer) }), "an IPI")
	require.Contains(t, caught(t, func() { SendSet(c, &none, Call) }), "an IPI")
}
