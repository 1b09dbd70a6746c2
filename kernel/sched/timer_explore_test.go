//go:build explore

package sched

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"muster/kernel/atom"
	"muster/kernel/clock"
	"muster/kernel/explore"
	"muster/kernel/ipi"
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
				_, _ = moveTimers(&cpus[2], &queues[0], &queues[2], true)
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

// arrives searches a CPU whose first timer expires while another CPU moves a timer to it that
// is due between the first and the second. In the end its hardware interrupts for the timer that
// came, or an IPI is there that makes it look.
func arrives(move func(c, from, to *percpu.CPU) bool) explore.Result {
	const base = 1 << 50 // far from the present
	return explore.Run(explore.Model{Preemptions: explore.Unbounded, Setup: func() ([]func(), func() error) {
		m := newMachine(2)
		to, q := m.cpus[0], m.queues[0]
		var timers [3]Timer
		for i := range timers {
			timers[i].does = counts
		}
		q.timers.add(&timers[0], unitOf(base))
		m.queues[1].timers.add(&timers[1], unitOf(base+2*clock.Second))
		q.timers.add(&timers[2], unitOf(base+3*clock.Second))
		q.armed, q.nextTick = clock.Never, clock.Never
		programs := []func(){
			func() { // as due does
				q.timers.expire(to, nil, base+clock.Second)
				q.program(min(q.nextTick, q.timers.earliest()))
			},
			func() { move(m.cpus[1], m.cpus[1], to) },
		}
		return programs, func() error {
			if at := q.timers.earliest(); at < q.armed && m.ipi[0].Load() == 0 {
				return errors.New("a timer is due before the hardware interrupts")
			}
			return nil
		}
	}})
}

// A timer that moves to another CPU is not late there.
func TestMovedTimerIsNotLate(t *testing.T) {
	r := arrives(MoveTimers)
	t.Log(r)
	require.NoError(t, r.Err)
	require.True(t, r.Complete)
}

// Negative control: a CPU that compares with the first timer as it was before the lock.
func TestCompareBeforeLockIsFound(t *testing.T) {
	r := arrives(func(c, from, to *percpu.CPU) bool {
		before := local(to).timers.earliest()
		more, _ := moveTimers(c, &local(from).timers, &local(to).timers, false)
		if local(to).timers.earliest() < before {
			ipi.Send(c, to, ipi.Timer)
		}
		return more
	})
	require.ErrorContains(t, r.Err, "before the hardware interrupts")
	t.Log(r)
}
