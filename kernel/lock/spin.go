// Package lock has the spinlock of the core and the order of all locks.
//
// Core code runs with interrupts off, so a spinlock need not turn them off. It is a
// ticket lock: CPUs get it in the order of their tickets.
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
	"muster/kernel/cpu"
	"muster/kernel/percpu"
	"muster/kernel/upcall"
)

// Spin is a lock that waiters spin for. Its rank is set where it is declared:
// lock.Spin{Rank: lock.RankFrames}.
type Spin struct {
	next   atom.Uint32 // next ticket to take
	owner  atom.Uint32 // ticket that holds the lock
	holder uint32      // debug builds: CPU number + 1, guarded by the lock
	Rank   Rank
}

// timeout is far longer than any critical section, which is at most 100,000
// instructions.
const timeout = 5 * clock.Second

// Lock waits for the lock and takes it. A wait of 5 s is a panic, unless a virtual CPU
// stands still: that one may have the lock. On a virtual machine it takes a second more to
// find that out.
//
// Nosplit: each operation of the core takes several locks, and wait checks the stack.
//
//go:nosplit
func (s *Spin) Lock(c *percpu.CPU) {
	if Checked {
		s.checkOrder(c)
	}
	ticket := s.next.Add(1) - 1
	if s.owner.Load() != ticket {
		s.wait(c, ticket)
	}
	s.taken(c)
}

// LockPair takes two locks of the same rank. All CPUs name the two in the same order.
func LockPair(c *percpu.CPU, first, second *Spin) {
	first.Lock(c)
	if Checked && first.Rank != second.Rank {
		upcall.Panic(c, "lock: a pair of different ranks", uint64(first.Rank), uint64(second.Rank))
	}
	ticket := second.next.Add(1) - 1
	if second.owner.Load() != ticket {
		second.wait(c, ticket)
	}
	second.taken(c)
}

// TryLock takes the lock if it is free, and does not wait.
func (s *Spin) TryLock(c *percpu.CPU) bool {
	if Checked {
		s.checkOrder(c)
	}
	ticket := s.owner.Load()
	if !s.next.CompareAndSwap(ticket, ticket+1) { // another CPU has or awaits the lock
		return false
	}
	s.taken(c)
	return true
}

// taken notes in debug builds that c has the lock.
func (s *Spin) taken(c *percpu.CPU) {
	if Checked {
		s.holder = c.ID + 1
		holds(c)
		c.LockRanks[c.LockDepth] = uint8(s.Rank)
		c.LockDepth++
	}
}

// wait spins until ticket holds the lock. Meanwhile the CPU answers TLB flushes,
// because the holder may be waiting for a flush.
func (s *Spin) wait(c *percpu.CPU, ticket uint32) {
	began, end := cpu.TSC(), clock.After(timeout)
	for turns := 1; s.owner.Load() != ticket; turns++ {
		if upcall.To.SpinPoll != nil {
			upcall.To.SpinPoll(c)
		}
		atom.Pause()
		if turns%4096 != 0 || !end.Passed() {
			continue
		}
		if stalled := upcall.Stalled(c); !stalled && s.owner.Load() != ticket {
			upcall.Panic(c, "lock: not free for 5 s; rank, holder+1", uint64(s.Rank), uint64(s.holder))
		}
		end = clock.After(timeout)
	}
	hasWaited(c, s.Rank, cpu.TSC()-began)
}

// Unlock releases the lock.
func (s *Spin) Unlock(c *percpu.CPU) {
	if Checked {
		s.checkHeld(c)
		s.holder = 0
		c.LockDepth--
		hasHeld(c, s.Rank)
	}
	s.owner.Store(s.owner.Load() + 1) // pairs with the Loads in Lock and wait
}

// AssertHeld panics in debug builds unless c holds the lock.
func (s *Spin) AssertHeld(c *percpu.CPU) {
	if Checked && s.holder != c.ID+1 {
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
	if s.holder != c.ID+1 {
		upcall.Panic(c, "lock: released by a CPU that does not hold it; rank, holder+1", uint64(s.Rank), uint64(s.holder))
	}
	if c.LockDepth == 0 || Rank(c.LockRanks[c.LockDepth-1]) != s.Rank {
		upcall.Panic(c, "lock: released out of order; rank, depth", uint64(s.Rank), uint64(c.LockDepth))
	}
}
