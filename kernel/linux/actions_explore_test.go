//go:build explore

package linux

import (
	"testing"

	"muster/kernel/explore"
	"muster/kernel/lock"
	"muster/kernel/percpu"
)

// actionReads searches CPUs that read the action of a signal while another one changes it some times. All words of an
// action are the same here, so an action of two halves shows.
func actionReads(preemptions, readers, changes int, get func(*actionTable, *percpu.CPU, *lock.Spin) action) explore.Result {
	return searchWithin(preemptions, preemptions+1, func() ([]func(), func() error) {
		at, mu := &actionTable{}, &lock.Spin{Rank: lock.RankProcess}
		programs := []func(){func() {
			c := &percpu.CPU{}
			for i := range uint64(changes) {
				mu.Lock(c)
				at.set(SIGABRT, action{i + 1, i + 1, i + 1, i + 1})
				mu.Unlock(c)
			}
		}}
		for id := range readers {
			programs = append(programs, func() {
				c := &percpu.CPU{ID: uint32(id + 1)}
				first := get(at, c, mu)
				second := get(at, c, mu)
				for _, a := range [2]action{first, second} {
					if a != (action{a.handler, a.handler, a.handler, a.handler}) {
						panic("an action of two halves")
					}
				}
				if second.handler < first.handler {
					panic("an action of the past")
				}
			})
		}
		return programs, func() error {
			return must(map[string]bool{"the last change is missing": at.list[SIGABRT].handler.Load() == uint64(changes)})
		}
	})
}

// A reader without the lock gets an action as it was at one moment, and no older one than before.
func TestActionIsReadWhole(t *testing.T) {
	get := func(at *actionTable, c *percpu.CPU, mu *lock.Spin) action { return at.get(c, mu, SIGABRT) }
	passes(t, actionReads(3, 1, 2, get))
	passes(t, actionReads(2, 2, 1, get))
}

// Negative control: a reader that does not look at the number of changes again.
func TestActionReadOnceIsFound(t *testing.T) {
	fails(t, actionReads(3, 1, 1, func(at *actionTable, c *percpu.CPU, mu *lock.Spin) action {
		if at.changes.Load()&1 != 0 {
			return at.get(c, mu, SIGABRT)
		}
		return at.list[SIGABRT].load()
	}), "an action of two halves")
}

// Negative control: a reader that does not see that a change is under way.
func TestActionReadDuringChangeIsFound(t *testing.T) {
	fails(t, actionReads(3, 1, 1, func(at *actionTable, _ *percpu.CPU, _ *lock.Spin) action {
		for {
			n := at.changes.Load()
			a := at.list[SIGABRT].load()
			if at.changes.Load() == n {
				return a
			}
		}
	}), "an action of two halves")
}
