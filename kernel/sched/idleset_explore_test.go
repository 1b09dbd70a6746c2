//go:build explore

package sched

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"muster/kernel/explore"
	"muster/kernel/percpu"
)

// becomesIdle searches a CPU that was idle before, and becomes idle by set, while two wakers look for an idle CPU by find.
func becomesIdle(set func(id uint32), find func() (uint32, bool)) explore.Result {
	return explore.Run(explore.Model{Preemptions: explore.Unbounded, Setup: func() ([]func(), func() error) {
		newMachine(2)
		idle.Set(1)
		idle.Clear(1) // it stays in hint
		var claimed [2]bool
		waker := func(i int) func() {
			return func() {
				if id, ok := find(); ok {
					claimed[i] = idle.Clear(id)
				}
			}
		}
		return []func(){func() { set(1) }, waker(0), waker(1)}, func() error {
			switch free := idle.Has(1); {
			case claimed[0] && claimed[1]:
				return errors.New("two wakers got one CPU")
			case free == (claimed[0] || claimed[1]):
				return errors.New("a CPU is in the set after a waker got it, or left it by itself")
			case free && !idle.hint.Has(1):
				return errors.New("no waker finds an idle CPU")
			}
			return nil
		}
	}})
}

func anyIdle() (uint32, bool) { return idle.Next(0) }

// A CPU that becomes idle while wakers find it not idle is found by the next one, and one waker gets it.
func TestIdleCPUIsFound(t *testing.T) {
	r := becomesIdle(idle.Set, anyIdle)
	t.Log(r)
	require.NoError(t, r.Err)
	require.True(t, r.Complete)
}

// Negative controls: a waker that takes a CPU out of hint and does not look again, and a CPU that looks whether it is in hint before it
// says that it is idle.
func TestIdleCPUThatIsMissedIsFound(t *testing.T) {
	once := becomesIdle(idle.Set, func() (uint32, bool) {
		id, ok := idle.hint.Next(0)
		if ok && !idle.Has(id) {
			idle.hint.Clear(id)
			return 0, false
		}
		return id, ok
	})
	require.ErrorContains(t, once.Err, "no waker finds")
	early := becomesIdle(func(id uint32) {
		in := idle.hint.Has(id)
		local(percpu.Get(id)).isFree.Store(1)
		if !in {
			idle.hint.Set(id)
		}
	}, anyIdle)
	require.ErrorContains(t, early.Err, "no waker finds")
	t.Log(once, early)
}
