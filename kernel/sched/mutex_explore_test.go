//go:build explore

package sched

import (
	"errors"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"

	"muster/kernel/explore"
	"muster/kernel/percpu"
)

// mutexes searches threads, each on a CPU of its own, that take a mutex some times. One more wakes the first of them
// for another reason, as a signal does. unlock is the kernel's, or a faulty one.
func mutexes(preemptions, threads, times int, unlock func(*Mutex, *percpu.CPU)) explore.Result {
	return explore.Run(explore.Model{Preemptions: preemptions, Setup: func() ([]func(), func() error) {
		m := &Mutex{}
		m.Init()
		list := make([]*Thread, threads)
		var inside, total explore.Var
		var programs []func()
		for i := range threads {
			list[i] = &Thread{ID: uint32(i + 1)}
			c := &percpu.CPU{ID: uint32(i), ThreadID: uint32(i + 1), Current: uintptr(unsafe.Pointer(list[i]))}
			programs = append(programs, func() {
				for range times {
					m.Lock(c)
					m.AssertHeld(c)
					if inside.Add(1); inside.Get() != 1 {
						panic("two threads have the mutex")
					}
					total.Add(1)
					inside.Add(-1)
					unlock(m, c)
				}
			})
		}
		programs = append(programs, func() { Unpark(&percpu.CPU{ID: uint32(threads)}, list[0]) })
		return programs, func() error {
			switch {
			case total.Get() != threads*times:
				return errors.New("a thread did not get the mutex")
			case m.held, m.waking, m.passed != 0, m.waiters.First() != nil:
				return errors.New("the mutex is not as it was")
			}
			return nil
		}
	}})
}

// No two threads have a mutex at a time, and each that waits gets it.
func TestMutexExcludes(t *testing.T) {
	for _, x := range []struct{ preemptions, threads, times int }{{4, 2, 1}, {2, 2, 3}, {1, 3, 1}} {
		r := mutexes(x.preemptions, x.threads, x.times, (*Mutex).Unlock)
		t.Log(r)
		require.NoError(t, r.Err)
		require.True(t, r.Complete)
	}
}

// Negative control: a thread that frees the mutex does not wake the first that waits, if that one was woken
// before, and has looked since.
func TestWakeOnceIsFound(t *testing.T) {
	r := mutexes(2, 2, 3, func(m *Mutex, c *percpu.CPU) {
		m.mu.Lock(c)
		m.held = false
		n := m.waiters.First()
		ready := n != nil && m.passed == 0 && Prepare(Waiter(n))
		m.mu.Unlock(c)
		if ready {
			Ready(c, Waiter(n))
		}
	})
	require.ErrorContains(t, r.Err, "waits forever")
	t.Log(r)
}
