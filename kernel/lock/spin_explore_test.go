//go:build explore

package lock

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"muster/kernel/atom"
	"muster/kernel/explore"
	"muster/kernel/percpu"
)

// excludes searches a critical section that some CPUs enter a few times, by a lock
// that is the kernel's, or a faulty one.
func excludes(cpus, times int, lock func(*Spin, *percpu.CPU)) explore.Result {
	return excludesWithin(explore.Unbounded, cpus, times, lock)
}

// excludesWithin is excludes with a bound on preemptions.
func excludesWithin(preemptions, cpus, times int, lock func(*Spin, *percpu.CPU)) explore.Result {
	return explore.Run(explore.Model{Preemptions: preemptions, Setup: func() ([]func(), func() error) {
		s := &Spin{Rank: RankConsole}
		var inside, total atom.Uint32
		enter := func(id uint32) func() {
			c := &percpu.CPU{ID: id}
			return func() {
				for range times {
					lock(s, c)
					if inside.Add(1) != 1 {
						panic("two CPUs hold the lock")
					}
					total.Add(1)
					inside.Add(^uint32(0))
					s.Unlock(c)
				}
			}
		}
		var programs []func()
		for id := range cpus {
			programs = append(programs, enter(uint32(id)))
		}
		return programs, func() error {
			if total.Load() != uint32(cpus*times) {
				return errors.New("an entry was lost")
			}
			return nil
		}
	}})
}

// withPatience sets the patience of CPUs for one test. With 0 each takes the lock out of turn whenever it
// is free. With more they do so never here, because the explorer counts no polls: every CPU runs.
func withPatience(t *testing.T, n uint32) {
	old := patience
	patience = n
	t.Cleanup(func() { patience = old })
}

// Two CPUs enter a critical section up to three times each, three enter it once:
// never two at a time, and each CPU as often as it tries. All take turns, or none does.
func TestSpinExcludes(t *testing.T) {
	for _, polls := range []uint32{64, 0} {
		withPatience(t, polls)
		for _, m := range []struct{ preemptions, cpus, times int }{{explore.Unbounded, 2, 1}, {4, 2, 3}, {3, 3, 1}, {2, 3, 2}} {
			r := excludesWithin(m.preemptions, m.cpus, m.times, (*Spin).Lock)
			t.Log(r)
			require.NoError(t, r.Err)
			require.True(t, r.Complete)
		}
	}
}

// withStopped searches two CPUs that take a lock while a third one, which waits for it, does not run until they have
// had the lock.
func withStopped() explore.Result {
	return explore.Run(explore.Model{Preemptions: 3, Setup: func() ([]func(), func() error) {
		s := &Spin{Rank: RankConsole}
		var done explore.Var
		runs := func(id uint32) func() {
			c := &percpu.CPU{ID: id}
			return func() {
				s.Lock(c)
				s.Unlock(c)
				done.Add(1)
			}
		}
		stops := func() {
			s.word.Add(waiter)
			s.next.Add(1)
			explore.Until(func() bool { return done.Get() == 2 })
			s.word.Add(^uint32(waiter - 1))
			runs(0)()
		}
		return []func(){stops, runs(1), runs(2)}, func() error { return nil }
	}})
}

// A CPU that has a turn and does not run is passed.
func TestStoppedWaiterIsPassed(t *testing.T) {
	withPatience(t, 0)
	r := withStopped()
	t.Log(r)
	require.NoError(t, r.Err)
	require.True(t, r.Complete)
}

// Negative control: without passing, all wait for the CPU that does not run.
func TestWaitForStoppedIsFound(t *testing.T) {
	r := withStopped()
	require.ErrorContains(t, r.Err, "waits forever")
	t.Log(r)
}

// tries searches a CPU that tries until it has the lock, among others that wait for it.
func tries(cpus, times int, try func(*Spin, *percpu.CPU) bool) explore.Result {
	return excludes(cpus, times, func(s *Spin, c *percpu.CPU) {
		for c.ID == 0 && !try(s, c) {
			atom.Pause()
		}
		if c.ID != 0 {
			s.Lock(c)
		}
	})
}

// A CPU that tries excludes those that wait, and the other way round.
func TestTryLockExcludes(t *testing.T) {
	for _, m := range []struct{ cpus, times int }{{2, 2}, {3, 1}} {
		r := tries(m.cpus, m.times, (*Spin).TryLock)
		t.Log(r)
		require.NoError(t, r.Err)
		require.True(t, r.Complete)
	}
}

// Negative control: a CPU that sees the lock free, and then takes it, has it together
// with another.
func TestTryInTwoStepsIsFound(t *testing.T) {
	for _, m := range []struct{ cpus, times int }{{2, 2}, {3, 1}} {
		r := tries(m.cpus, m.times, func(s *Spin, c *percpu.CPU) bool {
			if s.word.Load() != 0 {
				return false
			}
			s.word.Store(held)
			return true
		})
		require.Error(t, r.Err)
		t.Log(r)
	}
}

// Negative control: a CPU that waits until the lock is free, and then takes it, has it together with another.
func TestSpinInTwoStepsIsFound(t *testing.T) {
	r := excludes(2, 2, func(s *Spin, c *percpu.CPU) {
		if s.word.CompareAndSwap(0, held) {
			return
		}
		s.word.Add(waiter)
		for s.word.Load()&held != 0 {
			atom.Pause()
		}
		s.word.Add(^uint32(waiter - held - 1))
	})
	require.ErrorContains(t, r.Err, "two CPUs hold the lock")
	t.Log(r)
}
