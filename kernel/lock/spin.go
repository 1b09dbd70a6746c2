// Package lock has the spinlock of the core and the order of all locks.
//
// Core code runs with interrupts off, so a spinlock need not turn them off. CPUs get it in
// the order in which they came, but a CPU that does not run, as a virtual CPU may, is passed: turns.go.
//
// Layer: core.
// Context: interrupts off.
// Locks: defined here; ranks.go has the order.
// Manual: Intel SDM vol. 3A, "Locked Atomic Operations"; vol. 2B, "PAUSE".
// Chapter: docs/02-black-box.md.
package lock

import (
	"unsafe"

	"muster/kernel/atom"
	"muster/kernel/clock"
	"muster/kernel/percpu"
	"muster/kernel/upcall"
)

// Spin is a lock that waiters spin for. Its rank is set where it is declared:
// lock.Spin{Rank: lock.RankFrames}.
type Spin struct {
	word   atom.Uint32 // held, claimed, and the number of CPUs that wait in units of waiter
	next   atom.Uint32 // the next turn to give to a CPU that must wait
	turn   atom.Uint32 // turns up to this one have come; stored by the holder
	holder uint16      // debug builds: CPU number + 1, guarded by the lock
	Rank   Rank
}

// Parts of Spin.word. It is 0 while the lock is free and no CPU waits.
const (
	held    = 1       // a byte of its own, so that its release is a plain store
	claimed = 1 << 8  // a CPU that was passed often is next
	waiter  = 1 << 16 // one CPU that waits
)

var _ [1<<16 - 1 - percpu.Max]struct{} // all CPUs can wait for one lock

// timeout is far longer than any critical section, which is at most 100,000
// instructions.
const timeout = 5 * clock.Second

// Lock waits for the lock and takes it. A wait of 5 s is a panic, unless a virtual CPU
// stands still: that one may have the lock. On a virtual machine it takes a second more to
// find that out. If others got the lock meanwhile, c stood still itself, and the wait goes on.
//
// Nosplit: each operation of the core takes several locks, and wait checks the stack.
//
//go:nosplit
func (s *Spin) Lock(c *percpu.CPU) {
	if Checked {
		s.checkOrder(c)
	}
	if !s.word.CompareAndSwap(0, held) {
		s.wait(c)
	}
	s.taken(c)
}

// LockPair takes two locks of the same rank. All CPUs name the two in the same order.
func LockPair(c *percpu.CPU, first, second *Spin) {
	first.Lock(c)
	if Checked && first.Rank != second.Rank {
		upcall.Panic(c, "lock: a pair of different ranks", uint64(first.Rank), uint64(second.Rank))
	}
	if !second.word.CompareAndSwap(0, held) {
		second.wait(c)
	}
	second.taken(c)
}

// TryLock takes the lock if it is free and no CPU waits for it. It does not wait.
func (s *Spin) TryLock(c *percpu.CPU) bool {
	if Checked {
		s.checkOrder(c)
	}
	if !s.word.CompareAndSwap(0, held) {
		return false
	}
	s.taken(c)
	return true
}

// taken notes in debug builds that c has the lock.
func (s *Spin) taken(c *percpu.CPU) {
	if Checked {
		s.holder = uint16(c.ID + 1)
		holds(c)
		c.LockRanks[c.LockDepth] = uint8(s.Rank)
		c.LockDepth++
	}
}

// Unlock releases the lock. Other CPUs see it after all that c has done before, but it is no fence: c
// may load something else before they do. A protocol of two CPUs that each store, and then look for the
// other's store, needs an atomic store for that.
func (s *Spin) Unlock(c *percpu.CPU) {
	if Checked {
		s.checkHeld(c)
		s.holder = 0
		c.LockDepth--
		hasHeld(c, s.Rank)
	}
	s.word.Release() // pairs with each CompareAndSwap of word
}

// AssertHeld panics in debug builds unless c holds the lock.
func (s *Spin) AssertHeld(c *percpu.CPU) {
	if Checked && s.holder != uint16(c.ID+1) {
		upcall.Panic(c, "lock: not held where it must be; rank, holder+1", uint64(s.Rank), uint64(s.holder))
	}
}

// AssertNone panics in debug builds if c holds any lock. It stands before a call that
// may switch threads or touch user memory, and where an IPI is sent.
func AssertNone(c *percpu.CPU) {
	if Checked && c.LockDepth != 0 {
		upcall.Panic(c, "lock: held at a thread switch, a user copy or an IPI; depth, rank", uint64(c.LockDepth), uint64(c.LockRanks[c.LockDepth-1]))
	}
}

// checkOrder panics unless the lock's rank is above those that c holds.
func (s *Spin) checkOrder(c *percpu.CPU) {
	if s.Rank == 0 || s.Rank >= Ranks {
		upcall.Panic(c, "lock: declared without a rank, or in memory that was freed; address, rank", uint64(uintptr(unsafe.Pointer(s))), uint64(s.Rank))
	}
	if int(c.LockDepth) == len(c.LockRanks) {
		upcall.Panic(c, "lock: too many held; depth, rank", uint64(c.LockDepth), uint64(s.Rank))
	}
	if c.LockDepth > 0 {
		if top := Rank(c.LockRanks[c.LockDepth-1]); s.Rank <= top {
			upcall.Panic(c, "lock: wrong order; rank held, rank wanted", uint64(top), uint64(s.Rank))
		}
	}
}

// checkHeld panics unless c holds the lock and took it last.
func (s *Spin) checkHeld(c *percpu.CPU) {
	if s.holder != uint16(c.ID+1) {
		upcall.Panic(c, "lock: released by a CPU that does not hold it; rank, holder+1", uint64(s.Rank), uint64(s.holder))
	}
	if c.LockDepth == 0 || Rank(c.LockRanks[c.LockDepth-1]) != s.Rank {
		upcall.Panic(c, "lock: released out of order; rank, depth", uint64(s.Rank), uint64(c.LockDepth))
	}
}
