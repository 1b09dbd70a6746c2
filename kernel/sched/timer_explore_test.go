//go:build explore

package sched

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"muster/kernel/atom"
	"muster/kernel/clock"
	"muster/kernel/explore"
	"muster/kernel/percpu"
	"muster/kernel/upcall"
)

// races searches a timer that is armed on CPU 0, and that CPU 0 lets expire, while CPU 1
// withdraws it and CPU 2 takes the timers of CPU 0 over. In each order either the withdrawal
// comes in time, or the timer expires, and not both. It is long because the model is.
func races(move bool, disarm func(*Timer, *percpu.CPU) bool) explore.Result {
	return explore.Run(explore.Model{Preemptions: 3, Setup: func() ([]func(), func() error) {
		var cpus [3]percpu.CPU
		var queues [3]timerQueue
		var timer Timer
		var expired, withdrawn atom.Uint32
		for i := range cpus {
			cpus[i].ID = uint32(i)
			queues[i].init()
		}
		timer.does = calls
		queues[0].add(&timer, 1)
		upcall.To.TimerExpired = func(*percpu.CPU, uintptr) { expired.Add(1) }
		programs := []func(){
			func() { queues[0].expire(&cpus[0], nil, clock.Second) },
			func() {
				if disarm(&timer, &cpus[1]) {
					withdrawn.Add(1)
				}
			},
		}
		if move {
			programs = append(programs, func() {
				moveTimers(&cpus[2], &queues[0], &queues[2], true)
				queues[2].expire(&cpus[2], nil, clock.Second)
			})
		}
		return programs, func() error {
			if expired.Load()+withdrawn.Load() != 1 {
				return errors.New("the timer expired and was withdrawn, or neither")
			}
			return nil
		}
	}})
}

// A timer ends once, whether it expires, is withdrawn, or moves meanwhile.
func TestTimerEndsOnce(t *testing.T) {
	defer func() { upcall.To.TimerExpired = nil }()
	for _, move := range []bool{false, true} {
		r := races(move, (*Timer).Disarm)
		t.Log(r)
		require.NoError(t, r.Err)
		require.True(t, r.Complete)
	}
}

// Negative control: a withdrawal that does not look again whether the timer has moved, once
// it has the lock, uses a queue that the timer is not in.
func TestStaleQueueIsFound(t *testing.T) {
	defer func() { upcall.To.TimerExpired = nil }()
	r := races(true, func(t *Timer, c *percpu.CPU) bool {
		q := queueAt(t.queue.Load())
		q.mu.Lock(c)
		inTime := t.armed && t.queue.Load() == address(q)
		if inTime {
			q.remove(t)
		}
		q.mu.Unlock(c)
		return inTime
	})
	require.Error(t, r.Err)
	t.Log(r)
}
