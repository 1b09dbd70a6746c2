//go:build debug

package lock

import (
	"testing"

	"github.com/stretchr/testify/require"

	"muster/kernel/cpu"
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

func TestOrderIsChecked(t *testing.T) {
	c := &percpu.CPU{}
	outer, inner := &Spin{Rank: RankSpace}, &Spin{Rank: RankFrames}
	require.Empty(t, caught(t, func() {
		outer.Lock(c)
		inner.Lock(c)
		inner.AssertHeld(c)
		inner.Unlock(c)
		outer.Unlock(c)
	}))
	require.Contains(t, caught(t, func() { inner.Lock(c); outer.Lock(c) }), "wrong order")
	*c, *inner = percpu.CPU{}, Spin{Rank: RankFrames}
	same := &Spin{Rank: RankFrames}
	require.Contains(t, caught(t, func() { inner.Lock(c); same.Lock(c) }), "wrong order", "two of one rank")
	*c, *inner = percpu.CPU{}, Spin{Rank: RankFrames}
	require.Contains(t, caught(t, func() { outer.Lock(c); inner.Lock(c); outer.Unlock(c) }), "out of order")
	*c, *outer = percpu.CPU{}, Spin{Rank: RankSpace}
	require.Contains(t, caught(t, func() { outer.AssertHeld(c) }), "not held")
	require.Contains(t, caught(t, func() { outer.Unlock(c) }), "does not hold it")
	require.Contains(t, caught(t, func() { new(Spin).Lock(c) }), "declared without a rank")
	other := &Spin{Rank: RankConsole}
	other.Lock(c)
	require.Contains(t, caught(t, func() { AssertNone(c) }), "held at a thread switch")
}
