//go:build explore

package linux

import (
	"errors"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"

	"muster/kernel/explore"
	"muster/kernel/percpu"
)

// endedBits is what a task that has ended has as its signals. Whatever changes that uses
// the task's memory.
const endedBits = ^uint64(0)

// deletions searches a timer that expires on one CPU while its process deletes it on
// another, and the task that its signal is for ends, if end is not nil. The timer has left
// its queue: the expiry has the queue's reference.
func deletions(end func(c *percpu.CPU, t *Task), remove func(c *percpu.CPU, t *Task)) explore.Result {
	return explore.Run(explore.Model{Preemptions: explore.Bound(3, explore.Unbounded), Setup: func() ([]func(), func() error) {
		stock.freed = map[unsafe.Pointer]bool{}
		m := newMasks()
		x, y := m.tasks[0], m.tasks[1]
		tm := &timer{proc: m.p, refs: 2, armings: 1, sig: SIGABRT, notify: notifyThread, target: y.ID}
		m.p.refs.Get(&m.cpus[0])
		m.p.timers.byID.Insert(&tm.byID)
		m.p.timers.count = 1
		var third percpu.CPU
		third.Init(0)
		return []func(){
				func() { TimerExpired(&m.cpus[0], uintptr(unsafe.Pointer(tm))) },
				func() { remove(&m.cpus[1], x) },
				func() {
					if end == nil {
						return
					}
					m.p.mu.Lock(&third)
					m.p.tasks.Remove(&y.member)
					end(&third, y)
					m.p.mu.Unlock(&third)
					*y = Task{} // as Reap
					y.pending.bits.Store(endedBits)
				},
			}, func() error {
				switch {
				case !m.p.refs.Only():
					return errors.New("the timer was not freed, or twice")
				case y.pending.timers.Root != nil:
					return errors.New("a timer that was freed waits for a task")
				case end != nil && y.pending.bits.Load() != endedBits:
					return errors.New("a task is used after its end")
				}
				return nil
			}
	}})
}

// The last of the expiry and the deletion frees the timer, and no set of signals has it
// then.
func TestTimerAgainstDeletion(t *testing.T) {
	passes(t, deletions(nil, deleteShipped))
	passes(t, deletions(func(c *percpu.CPU, y *Task) {
		for y.dropSome(c) {
		}
	}, deleteShipped))
}

func deleteShipped(c *percpu.CPU, x *Task) { x.deleteTimer(c, 0) }

// Negative control: a task that ends, and leaves a timer's signal where it is.
func TestTimerOfEndedTaskIsFound(t *testing.T) {
	fails(t, deletions(func(*percpu.CPU, *Task) {}, deleteShipped), "after its end|nil pointer")
}

// Negative control: a deletion that does not mark the timer as dead, for an expiry on
// its way.
func TestLiveTimerIsFound(t *testing.T) {
	r := deletions(nil, func(c *percpu.CPU, x *Task) {
		p := x.proc
		p.mu.Lock(c)
		tm := p.timers.find(0)
		p.timers.byID.Remove(&tm.byID)
		tm.disarm(c)
		tm.at = 0
		tm.refs--
		last := tm.refs == 0
		p.mu.Unlock(c)
		if last {
			tm.free(c)
		}
	})
	require.ErrorContains(t, r.Err, "a timer that was freed waits")
	t.Log(r)
}

// Negative control: a deletion that frees the timer without regard to the expiry's
// reference.
func TestTimerFreedTwiceIsFound(t *testing.T) {
	r := deletions(nil, func(c *percpu.CPU, x *Task) {
		p := x.proc
		p.mu.Lock(c)
		tm := p.timers.find(0)
		p.timers.byID.Remove(&tm.byID)
		tm.end(c)
		p.mu.Unlock(c)
		tm.free(c)
	})
	require.Error(t, r.Err)
	t.Log(r)
}
