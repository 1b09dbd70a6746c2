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

// What CPU 1 of moved has counted for its group before, and counts later.
const countedBefore, countedLater = 5, 10

// counts counts the turn of a thread of a group, as become and chargeThread.
func (a *account) counts(c *percpu.CPU, group *Usage, ticks uint64) {
	if !a.serves(group) {
		a.turnTo(c, uintptr(unsafe.Pointer(group)))
	}
	a.ticks.Count(ticks)
}

// moved searches a CPU that counts for a group, and then for another one, so that the time of the first moves, while
// another CPU reads it.
func moved(read func(c *percpu.CPU, u *Usage) uint64) explore.Result {
	return explore.Run(explore.Model{Preemptions: explore.Unbounded, Setup: func() ([]func(), func() error) {
		m := newMachine(2)
		a, u, other := &m.queues[1].account, &Usage{}, &Usage{}
		a.counts(m.cpus[1], u, countedBefore)
		var seen uint64
		return []func(){
				func() {
					a.counts(m.cpus[1], u, countedLater)
					a.counts(m.cpus[1], other, 1)
				},
				func() { seen = read(m.cpus[0], u) },
			}, func() error {
				if seen != countedBefore && seen != countedBefore+countedLater {
					return errors.New("a reader found a time that the group never had")
				}
				if u.ticks.Load() != countedBefore+countedLater {
					return errors.New("time was lost")
				}
				return nil
			}
	}})
}

// A reader has the time of a group while it moves from an account to the sums of the group: neither twice nor not at all.
func TestMovedTimeIsThereOnce(t *testing.T) {
	r := moved(func(c *percpu.CPU, u *Usage) uint64 { return u.total(c).ticks })
	t.Log(r)
	require.NoError(t, r.Err)
	require.True(t, r.Complete)
}

// Negative controls: a reader that does not look again whether the sum has grown, and one without the lock of the account.
func TestMovedTimeIsFound(t *testing.T) {
	once := moved(func(c *percpu.CPU, u *Usage) uint64 {
		n := totals{ticks: u.ticks.Load()}
		local(percpu.Get(1)).addTo(c, u, &n)
		return n.ticks
	})
	require.ErrorContains(t, once.Err, "never had")
	unlocked := moved(func(_ *percpu.CPU, u *Usage) (ticks uint64) {
		for range sumTries {
			before := u.ticks.Load()
			ticks = before
			if a := &local(percpu.Get(1)).account; a.serves(u) {
				ticks += a.ticks.Load()
			}
			if u.ticks.Load() == before {
				break
			}
		}
		return ticks
	})
	require.ErrorContains(t, unlocked.Err, "never had")
	t.Log(once, unlocked)
}

// groupEnded searches a CPU whose account is that of a group, and which counts for another one, while a second CPU ends the group by end.
func groupEnded(end func(c *percpu.CPU, u *Usage)) explore.Result {
	const free = 1 << 40 // what the memory of the group has after its end
	return explore.Run(explore.Model{Preemptions: explore.Unbounded, Setup: func() ([]func(), func() error) {
		m := newMachine(2)
		a, u, other := &m.queues[1].account, &Usage{}, &Usage{}
		a.counts(m.cpus[1], u, countedBefore)
		var all uint64
		return []func(){
				func() { a.counts(m.cpus[1], other, countedLater) },
				func() {
					end(m.cpus[0], u)
					all = u.ticks.Swap(free)
				},
			}, func() error {
				switch {
				case u.ticks.Load() != free:
					return errors.New("a CPU touched a group after its end")
				case all != countedBefore:
					return errors.New("a group ended without its time")
				case !a.serves(other) || a.ticks.Load() != countedLater:
					return errors.New("the next group has another time")
				}
				return nil
			}
	}})
}

// After EndGroup no CPU touches the group, and the group has all of its time.
func TestGroupEnds(t *testing.T) {
	r := groupEnded(EndGroup)
	t.Log(r)
	require.NoError(t, r.Err)
	require.True(t, r.Complete)
}

// Negative controls: an end that leaves the accounts alone, and one that takes an account from a group without the lock.
func TestGroupThatEndsEarlyIsFound(t *testing.T) {
	none := groupEnded(func(*percpu.CPU, *Usage) {})
	require.Error(t, none.Err)
	unlocked := groupEnded(func(_ *percpu.CPU, u *Usage) {
		if a := &local(percpu.Get(1)).account; a.serves(u) {
			a.move()
			a.group.Store(0)
		}
	})
	require.Error(t, unlocked.Err)
	t.Log(none, unlocked)
}
