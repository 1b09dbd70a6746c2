//go:build !explore

package sched

import (
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"

	"muster/kernel/clock"
	"muster/kernel/percpu"
)

// The time of a group has what its CPUs have not counted yet, and never goes back.
func TestGroupTime(t *testing.T) {
	c, q, run := oneCPU(t)
	if percpu.Count() == 0 {
		percpu.Register(c)
	}
	require.Same(t, c, percpu.Get(0))
	run.Group = &Usage{}
	q.group.Store(uintptr(unsafe.Pointer(run.Group)))
	q.account.turnTo(c, q.group.Load())
	q.since.Store(q.since.Load())
	q.charge(run) // from the counter's start
	before := run.Group.GroupTime(c)
	require.Positive(t, before)
	require.Greater(t, run.Group.GroupTime(c), before, "without a charge")
	q.account.ticks.Store(0)
	require.GreaterOrEqual(t, run.Group.GroupTime(c), before)
	require.Equal(t, stRunning, int(run.state.Load()))
	require.Greater(t, run.ThreadTime(), clock.Time(0))
}
