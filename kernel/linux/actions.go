package linux

import (
	"muster/kernel/atom"
	"muster/kernel/lock"
	"muster/kernel/percpu"
)

// What a process does on each signal. Actions change under the lock of the process. A caller that needs one action alone
// reads it without the lock, by the number of changes. So threads that look up actions, and those whose exceptions become
// signals, share no cache line that one of them writes.
//
//	the change (locked)             the reader
//	changes: odd                    changes: n, even?
//	the four words                  the four words
//	changes: even, another one      changes: n, still?
//
// The processor keeps the order of stores, and that of loads (SDM vol. 3A, "Memory Ordering in P6 and More Recent
// Processor Families"), so a reader that has seen a word of a change sees that the number is another one.

// actionTable is the actions of a process, by signal.
type actionTable struct {
	changes atom.Uint64 // odd while an action changes
	list    [lastSignal + 1]actionWords
}

// actionWords is the memory of an action.
type actionWords struct{ handler, flags, restorer, mask atom.Uint64 }

func (w *actionWords) load() action {
	return action{w.handler.Load(), w.flags.Load(), w.restorer.Load(), w.mask.Load()}
}

func (w *actionWords) store(a action) {
	w.handler.Publish(a.handler)
	w.flags.Publish(a.flags)
	w.restorer.Publish(a.restorer)
	w.mask.Publish(a.mask)
}

// set changes the action of a signal.
//
// Locks: Process.mu held; not asserted: the callers have just taken it.
func (at *actionTable) set(sig uint64, a action) {
	at.changes.Add(1) // pairs with the Loads in get; not Count: the compiler might leave the first of two stores out
	at.list[sig].store(a)
	at.changes.Add(1)
}

// actionTries is how often get looks again at an action that changes meanwhile.
const actionTries = 4

// get returns the action of a signal. mu is the lock of the process, which get takes if the actions change all the time.
func (at *actionTable) get(c *percpu.CPU, mu *lock.Spin, sig uint64) action {
	for range actionTries {
		n := at.changes.Load()
		a := at.list[sig].load()
		if n&1 == 0 && at.changes.Load() == n {
			return a
		}
	}
	mu.Lock(c)
	a := at.list[sig].load()
	mu.Unlock(c)
	return a
}
