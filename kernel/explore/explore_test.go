//go:build explore

package explore

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"muster/kernel/atom"
)

// counts searches CPUs that each add to a word.
func counts(cpus, preemptions int, add func(*atom.Uint32)) Result {
	return Run(Model{Preemptions: preemptions, Setup: func() ([]func(), func() error) {
		var n atom.Uint32
		var programs []func()
		for range cpus {
			programs = append(programs, func() { add(&n) })
		}
		return programs, func() error {
			if n.Load() != uint32(cpus) {
				return errors.New("lost update")
			}
			return nil
		}
	}})
}

func TestAtomicAddIsSafe(t *testing.T) {
	for _, cpus := range []int{2, 5} {
		r := counts(cpus, Unbounded, func(n *atom.Uint32) { n.Add(1) })
		require.NoError(t, r.Err)
		require.True(t, r.Complete)
		require.Greater(t, r.Runs, 1)
	}
}

// Negative control: a lost update needs one preemption between load and store.
func TestFindsLostUpdate(t *testing.T) {
	inTwoSteps := func(n *atom.Uint32) { n.Store(n.Load() + 1) }
	for _, preemptions := range []int{1, Unbounded} {
		require.ErrorContains(t, counts(2, preemptions, inTwoSteps).Err, "lost update")
	}
	r := counts(2, 0, inTwoSteps)
	require.NoError(t, r.Err, "the bound holds")
	require.True(t, r.Complete)
}

// meets searches two CPUs that each set a word of their own and wait for the other's.
func meets(meet func(mine, other *atom.Uint32)) Result {
	return Run(Model{Preemptions: Unbounded, Setup: func() ([]func(), func() error) {
		var a, b atom.Uint32
		return []func(){func() { meet(&a, &b) }, func() { meet(&b, &a) }}, func() error { return nil }
	}})
}

func await(word *atom.Uint32) {
	for word.Load() == 0 {
		atom.Pause()
	}
}

func TestMeetingEnds(t *testing.T) {
	r := meets(func(mine, other *atom.Uint32) { mine.Store(1); await(other) })
	require.NoError(t, r.Err)
	require.True(t, r.Complete)
}

// Negative control: each waits for the other first.
func TestFindsDeadlock(t *testing.T) {
	r := meets(func(mine, other *atom.Uint32) { await(other); mine.Store(1) })
	require.ErrorContains(t, r.Err, "waits forever")
}
