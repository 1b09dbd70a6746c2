package linux

import (
	"muster/kernel/atom"
	"muster/kernel/percpu"
	"muster/kernel/tree"
)

// Of the signals with one number, one is pending at a time, as the rule is for standard
// signals; real-time signals do not queue either. Timers are the exception: each has a
// place of its own.

// pendingSet is the signals that were sent to a task or a process, and that no task has
// taken yet.
type pendingSet struct {
	bits   atom.Uint64 // those that are pending: bit sig-1; stored under Process.mu
	plain  uint64      // of them, those from a system call or the kernel; the rest are of timers; guarded by Process.mu
	tkill  uint64      // of plain, those from tgkill; guarded by Process.mu
	kernel uint64      // of plain, those from the kernel; guarded by Process.mu
	timers tree.Tree   // timers whose signal is pending, Key is the signal; guarded by Process.mu
}

// sender says where a signal comes from.
type sender uint8

const (
	fromKill sender = iota
	fromTkill
	fromKernel
)

// add makes a signal pending.
//
// Locks: Process.mu held; not asserted: the callers have just taken it.
func (s *pendingSet) add(sig uint64, from sender) {
	b := bit(sig)
	if s.plain&b == 0 {
		s.plain |= b
		switch from {
		case fromTkill:
			s.tkill |= b
		case fromKernel:
			s.kernel |= b
		}
	}
	s.bits.Or(b)
}

// drop forgets a signal, but not what timers have sent: they go on when a task takes
// their signal.
//
// Locks: Process.mu held; not asserted: a set does not know its process.
func (s *pendingSet) drop(sig uint64) {
	b := bit(sig)
	s.plain &^= b
	s.tkill &^= b
	s.kernel &^= b
	if s.timer(sig) == nil {
		s.bits.And(^b)
	}
}

// timer returns the timer whose signal sig has waited longest, nil for none.
//
// Locks: Process.mu held; not asserted: a set does not know its process.
func (s *pendingSet) timer(sig uint64) *timer {
	if n := s.timers.AtLeast(sig); n != nil && n.Key == sig {
		return timerOfSignal(n)
	}
	return nil
}

// take takes one signal with a number that is pending. value is what the maker of a
// timer gave.
//
// Locks: p.mu held.
func (s *pendingSet) take(c *percpu.CPU, p *Process, sig uint64) (in info, value uint64) {
	p.mu.AssertHeld(c)
	in = info{sig: sig, code: codeUser, addr: uint64(p.ID)}
	b := bit(sig)
	switch {
	case s.plain&b == 0:
		tm := s.timer(sig)
		value = tm.value
		in = tm.deliver(c, s)
	case s.tkill&b != 0:
		in.code = codeTkill
	case s.kernel&b != 0:
		in.code, in.addr = codeKernel, 0
	}
	s.drop(sig)
	return in, value
}

// takeValue returns the value that goes with the signal which is being delivered.
func (t *Task) takeValue() uint64 {
	v := t.value
	t.value = 0
	return v
}
