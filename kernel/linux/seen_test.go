package linux

import (
	"testing"

	"github.com/stretchr/testify/require"

	"muster/kernel/percpu"
)

// A task is found without the lock of its process from its beginning to its end, unless another one has its place; when that one has
// ended, the task gets the place as soon as a sender has found it in the tree.
func TestSeenTasks(t *testing.T) {
	c := &percpu.CPU{}
	p, list := newTestProcess(c, tasksSeen+1)
	first, last := list[0], list[tasksSeen]
	require.Equal(t, first.ID%tasksSeen, last.ID%tasksSeen)
	for _, x := range list[:tasksSeen] {
		require.Same(t, x, p.seen.name(c, x.ID))
		unname(c)
	}
	require.Nil(t, p.seen.name(c, last.ID), "the place has another one")
	require.Nil(t, p.seen.name(c, 1000))
	require.Zero(t, c.Reading.Load())
	send := func(id uint32) uint64 {
		_, r := tkill(c, list[1], int32(id), 0)
		return r
	}
	require.Zero(t, send(last.ID))
	require.Zero(t, send(first.ID))
	p.mu.Lock(c)
	p.tasks.Remove(&first.member)
	p.seen.hide(first)
	p.mu.Unlock(c)
	require.Equal(t, errno(ESRCH), send(first.ID))
	require.Nil(t, p.seen.name(c, last.ID))
	require.Zero(t, send(last.ID))
	require.Same(t, last, p.seen.name(c, last.ID))
	unname(c)
	p.mu.Lock(c)
	p.seen.hide(first) // that is not there
	p.mu.Unlock(c)
	require.Same(t, last, p.seen.name(c, last.ID))
	unname(c)
}
