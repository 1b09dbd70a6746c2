package lock

import (
	"muster/kernel/atom"
	"muster/kernel/clock"
	"muster/kernel/cpu"
	"muster/kernel/percpu"
	"muster/kernel/upcall"
)

// The wait for a lock. CPUs that find the lock held take turns, as with a ticket lock. But a ticket
// lock gives itself to the next CPU even if that CPU does not run: a host has taken the core from a virtual
// CPU, and all that wait behind it wait for the host's scheduler, once for each such CPU. So here the right to
// take the lock and the lock are two things. The turn says which CPU may take it, and that CPU takes it by
// compare and swap. And a CPU that sees the lock free for some time, because the one whose turn
// it is does not take it, takes it out of turn. The turns that it has passed have come, too: those CPUs
// may take the lock as soon as they run, and no other CPU waits for them again.
//
//	turn is 5      CPU A has turn 5, CPU B turn 6, CPU C turn 7, and A does not run
//	turn is 7      B has seen the lock free for long enough, and has taken it: A and C may
//	turn is 8      C has taken it as soon as it was free
//	               A runs again, and takes it next: it has waited longest
//
// A CPU that was passed mostPassed times claims the lock: then the others leave the lock to it for the
// same time as to the CPU whose turn it is. So a CPU that polls is passed a few times at most.
// A CPU that comes while others wait always gets a turn, the last one.
//
// The idea of passing a waiter that does not poll is that of the time-published queue locks (He, Scherer and
// Scott, "Preemption Adaptivity in Time-Published Queue-Based Spin Locks", 2005). Those are MCS queues; turns
// need no node for each CPU, none of which must be taken out of a queue.

// patience is how often a CPU sees the lock free, without a change, before it takes the lock out
// of turn, for each CPU that is before it. A CPU that runs polls once in that time.
var patience = uint32(64)

// mostPassed is how often a CPU is passed before it claims the lock.
const mostPassed = 8

// mostBefore bounds the wait of a CPU that has many before it, or that has a turn of long ago.
const mostBefore = 16

// wait waits for c's turn and takes the lock. Meanwhile the CPU answers TLB flushes, because the holder may
// be waiting for a flush.
func (s *Spin) wait(c *percpu.CPU) {
	began, end := cpu.TSC(), clock.After(timeout)
	s.word.Add(waiter) // from now on every CPU that comes gets a turn
	mine := s.next.Add(1) - 1
	came := s.turn.Load() // another turn comes while others get the lock
	for polls, free, seen := 1, uint32(0), uint32(0); ; polls++ {
		turn, w := s.turn.Load(), s.word.Load()
		ahead := int32(turn - mine) // below 0: so many CPUs are before this one
		switch {
		case w&held != 0:
			free = 0
			if ahead >= mostPassed && w&claimed == 0 {
				s.word.Or(claimed)
			}
		case free >= grace(ahead, w):
			if s.word.CompareAndSwap(w, (w-waiter)&^claimed|held) {
				s.took(c, mine, cpu.TSC()-began)
				return
			}
			continue // another CPU comes or goes
		case w == seen:
			free++
		default:
			free = 0
		}
		seen = w
		if upcall.To.SpinPoll != nil {
			upcall.To.SpinPoll(c)
		}
		atom.Pause()
		if polls%4096 != 0 || !end.Passed() {
			continue
		}
		if stalled := upcall.Stalled(c); !stalled && s.word.Load()&held != 0 && s.turn.Load() == came {
			upcall.Panic(c, "lock: not free for 5 s; rank, holder+1", uint64(s.Rank), uint64(s.holder))
		}
		came, end = s.turn.Load(), clock.After(timeout)
	}
}

// took records that c has taken the lock with a turn. The turns before it, if any, have come, too.
//
// Locks: s held; not asserted: it is not noted yet.
func (s *Spin) took(c *percpu.CPU, mine uint32, waited uint64) {
	ahead := int32(s.turn.Load() - mine) // again: it may have come while the lock was free
	if ahead <= 0 {
		s.turn.Store(mine + 1)
	}
	hasWaited(c, s.Rank, waited, ahead)
}

// grace is for how long a CPU leaves a free lock to those that go first.
func grace(ahead int32, word uint32) uint32 {
	switch {
	case ahead >= mostPassed, ahead >= 0 && word&claimed == 0:
		return 0
	case ahead >= 0:
		return patience
	}
	return patience * uint32(min(-ahead, mostBefore))
}
