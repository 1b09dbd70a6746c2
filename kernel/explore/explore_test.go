//go:build explore

package explore

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"muster/kernel/atom"
)

// Negative control: a lost update needs one preemption between load and store.
func TestFindsLostUpdate(t *testing.T) {
	m := Model{Preemptions: 1, Setup: func() ([]func(), func() error) {
		var n atom.Uint32
		add := func() { n.Store(n.Load() + 1) }
		return []func(){add, add}, func() error {
			if n.Load() != 2 {
				return errors.New("lost update")
			}
			return nil
		}
	}}
	r := Run(m)
	require.ErrorContains(t, r.Err, "lost update")
	m.Preemptions = 0
	r = Run(m)
	require.NoError(t, r.Err)
	require.True(t, r.Complete)
}

// Negative control: two CPUs that each wait for the other.
func TestFindsDeadlock(t *testing.T) {
	r := Run(Model{Preemptions: 2, Setup: func() ([]func(), func() error) {
		var a, b atom.Uint32
		wait := func(mine, other *atom.Uint32) func() {
			return func() {
				for other.Load() == 0 {
					atom.Pause()
				}
				mine.Store(1)
			}
		}
		return []func(){wait(&a, &b), wait(&b, &a)}, func() error { return nil }
	}})
	require.ErrorContains(t, r.Err, "waits for ever")
}

func TestAtomicAddIsSafe(t *testing.T) {
	r := Run(Model{Preemptions: 3, Setup: func() ([]func(), func() error) {
		var n atom.Uint32
		add := func() { n.Add(1); n.Add(1) }
		return []func(){add, add, add}, func() error {
			if n.Load() != 6 {
				return errors.New("lost update")
			}
			return nil
		}
	}})
	require.NoError(t, r.Err)
	require.True(t, r.Complete)
	require.Greater(t, r.Runs, 10)
}
