package refs

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

// The last reference says so, and a count of zero is raised by nothing.
func TestCount(t *testing.T) {
	c := &percpu.CPU{}
	var r Count
	require.False(t, r.TryGet(), "not yet published")
	r.Init()
	r.Get(c)
	require.True(t, r.TryGet())
	require.False(t, r.Put(c))
	require.False(t, r.Put(c))
	require.True(t, r.Put(c))
	require.False(t, r.TryGet(), "ended")
	require.Contains(t, caught(t, func() { r.Get(c) }), "has ended")
	require.Contains(t, caught(t, func() { new(Count).Put(c) }), "given up twice")
}
