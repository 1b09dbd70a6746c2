package linux

import (
	"testing"

	"github.com/stretchr/testify/require"

	"muster/kernel/percpu"
)

// joined is join under the lock.
func (q *turn) joined(c *percpu.CPU, t *Task, nonblock bool) Errno {
	q.mu.Lock(c)
	defer q.mu.Unlock(c)
	return q.join(c, t, nonblock)
}

// The turn goes from task to task in the order of arrival; one that left the queue
// does not get it.
func TestTurnOrder(t *testing.T) {
	c := &percpu.CPU{}
	q := &turn{}
	q.init()
	var x [4]Task
	for i := range x {
		require.Zero(t, q.joined(c, &x[i], false))
		require.Same(t, &x[0], q.holder)
	}
	q.queue.Remove(&x[2].Wait) // as take does after a signal
	for _, next := range []*Task{&x[1], &x[3]} {
		require.False(t, q.give(c))
		require.Same(t, next, q.holder)
		require.False(t, next.Wait.Linked())
	}
	q.give(c)
	require.Nil(t, q.holder)
	require.Zero(t, q.joined(c, &x[2], true), "it is free again")
}

// A task that must not wait is sent away, and the holder learns of it once.
func TestTurnMissed(t *testing.T) {
	c := &percpu.CPU{}
	q := &turn{}
	q.init()
	var x [3]Task
	require.Zero(t, q.joined(c, &x[0], true))
	require.Equal(t, EAGAIN, q.joined(c, &x[1], true))
	require.Zero(t, q.joined(c, &x[2], false))
	require.True(t, q.give(c))
	require.False(t, q.give(c))
}

// With its turn taken, a signal ends a wait before the task is parked.
func TestTurnInterrupted(t *testing.T) {
	c := &percpu.CPU{}
	q := &turn{}
	q.init()
	var x [3]Task
	q.joined(c, &x[0], false)
	x[1].Work.Store(workExit)
	_, e := q.take(c, &x[1], false)
	require.Equal(t, eRestart, e)
	require.False(t, x[1].Wait.Linked())
	q.give(c)
	_, e = q.take(c, &x[1], false)
	require.Zero(t, e, "a free turn needs no wait, so no signal ends it")
}
