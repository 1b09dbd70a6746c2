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

// Two CPUs enter a critical section twice each, three enter it once: never two
// at a time.
func TestSpinExcludes(t *testing.T) {
	excludes(t, 2, 2)
	excludes(t, 3, 1)
}

func excludes(t *testing.T, cpus, times int) {
	r := explore.Run(explore.Model{Preemptions: 3, Setup: func() ([]func(), func() error) {
		s := &Spin{Rank: RankConsole}
		var inside, total atom.Uint32
		enter := func(id uint32) func() {
			c := &percpu.CPU{ID: id}
			return func() {
				for range times {
					s.Lock(c)
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
	t.Log(r)
	require.NoError(t, r.Err)
	require.True(t, r.Complete)
}

// Negative control: a lock that tests and sets in two steps lets two in.
func TestBrokenLockIsFound(t *testing.T) {
	r := explore.Run(explore.Model{Preemptions: 2, Setup: func() ([]func(), func() error) {
		var held, inside atom.Uint32
		enter := func() {
			for held.Load() != 0 {
				atom.Pause()
			}
			held.Store(1)
			if inside.Add(1) != 1 {
				panic("two CPUs hold the lock")
			}
			inside.Add(^uint32(0))
			held.Store(0)
		}
		return []func(){enter, enter}, func() error { return nil }
	}})
	require.ErrorContains(t, r.Err, "two CPUs hold the lock")
}
