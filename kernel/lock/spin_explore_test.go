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
	return explore.Run(explore.Model{Preemptions: explore.Unbounded, Setup: func() ([]func(), func() error) {
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

// Two CPUs enter a critical section up to three times each, three enter it once:
// never two at a time, and each CPU as often as it tries.
func TestSpinExcludes(t *testing.T) {
	for _, m := range []struct{ cpus, times int }{{2, 1}, {2, 3}, {3, 1}} {
		r := excludes(m.cpus, m.times, (*Spin).Lock)
		t.Log(r)
		require.NoError(t, r.Err)
		require.True(t, r.Complete)
	}
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
			if s.next.Load() != s.owner.Load() {
				return false
			}
			s.next.Store(s.owner.Load() + 1)
			return true
		})
		require.Error(t, r.Err)
		t.Log(r)
	}
}

// Negative control: a lock that takes its ticket in two steps gives two CPUs the same one.
func TestTicketInTwoStepsIsFound(t *testing.T) {
	r := excludes(2, 1, func(s *Spin, c *percpu.CPU) {
		ticket := s.next.Load()
		s.next.Store(ticket + 1)
		if s.owner.Load() != ticket {
			s.wait(c, ticket)
		}
	})
	require.Error(t, r.Err)
	require.Regexp(t, "two CPUs hold the lock|waits forever", r.Err.Error(), "two CPUs have one ticket, and no CPU has the next")
	t.Log(r)
}
