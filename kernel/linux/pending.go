package linux

import (
	"unsafe"

	"muster/kernel/atom"
	"muster/kernel/lock"
	"muster/kernel/percpu"
	"muster/kernel/tree"
)

// Of the signals with one number, one is pending at a time, as the rule is for standard
// signals; real-time signals do not queue either. Timers are the exception: each has a
// place of its own.
//
// What the locks protect:
//
//	a set of pending signals    its own lock, pendingSet.mu
//	the timers in it            its lock; a task that takes one names it, and then takes the timer's lock
//	Task.mask                   the task alone, without a lock
//	Task.awaited                the task alone, with the lock of its set
//	Task.shown, the tree        Process.mu
//	actions of signals          Process.mu; actions.go has how they are read
//
// A task that sends itself a signal, takes one of its own set or changes its mask takes no
// lock of its process, so tasks of one process share no cache line there that they write. A
// sender names the task that it uses (seen.go), or holds Process.mu meanwhile: a task that ends leaves the
// tree under that lock, and its memory waits for those that name it. Process.mu comes before the lock of a set.
//
// Why no signal is lost: a sender adds the signal and then loads the mask; a task stores its
// mask and then loads what is pending. One of the two sees the other's store. Why none comes
// twice: its bit is cleared under the lock of the set by the one that takes it. Why a signal that
// is ignored does not stay: a sender looks at the action under the lock of the set; the task that
// sets the action stores it, and then takes the lock of each set, and drops the signal there.
// sent_explore_test.go has the models.

// pendingSet is the signals that were sent to a task or a process, and that no task has
// taken yet.
type pendingSet struct {
	mu     lock.Spin
	bits   atom.Uint64 // those that are pending: bit sig-1; stored under mu
	plain  uint64      // of them, those from a system call or the kernel; the rest are of timers; guarded by mu
	tkill  uint64      // of plain, those from tgkill; guarded by mu
	kernel uint64      // of plain, those from the kernel; guarded by mu
	timers tree.Tree   // timers whose signal is pending, Key is the signal; guarded by mu
	closed bool        // of a task that has left its process: no timer comes any more; guarded by mu
}

func (s *pendingSet) init() { s.mu.Rank = lock.RankSignals }

// sender says where a signal comes from.
type sender uint8

const (
	fromKill sender = iota
	fromTkill
	fromKernel
)

// add makes a signal pending.
//
// Locks: s.mu held; not asserted: the callers have just taken it.
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
// Locks: s.mu held; not asserted: the callers have just taken it.
func (s *pendingSet) drop(sig uint64) {
	b := bit(sig)
	s.plain &^= b
	s.tkill &^= b
	s.kernel &^= b
	if s.timer(sig) == nil {
		s.bits.And(^b)
	}
}

// forget is drop with the lock.
//
// Locks: takes s.mu.
func (s *pendingSet) forget(c *percpu.CPU, sig uint64) {
	s.mu.Lock(c)
	s.drop(sig)
	s.mu.Unlock(c)
}

// timer returns the timer whose signal sig has waited longest, nil for none.
//
// Locks: s.mu held; not asserted: the callers have just taken it.
func (s *pendingSet) timer(sig uint64) *timer {
	if n := s.timers.AtLeast(sig); n != nil && n.Key == sig {
		return timerOfSignal(n)
	}
	return nil
}

// hold makes the signal of a timer wait in s. It reports false if s is closed.
//
// Locks: tm.mu held; not asserted: the callers have asserted it. Takes s.mu.
func (s *pendingSet) hold(c *percpu.CPU, tm *timer) bool {
	s.mu.Lock(c)
	open := !s.closed
	if open {
		tm.set, tm.fired = s, tm.settings
		tm.signal.Key = tm.sig
		s.timers.Insert(&tm.signal)
		tm.listed = true
		s.bits.Or(bit(tm.sig))
	}
	s.mu.Unlock(c)
	return open
}

// close makes hold refuse timers, and reports whether some wait in s.
//
// Locks: takes s.mu.
func (s *pendingSet) close(c *percpu.CPU) (some bool) {
	s.mu.Lock(c)
	s.closed = true
	some = s.timers.First() != nil
	s.mu.Unlock(c)
	return some
}

// unlist takes a timer out of s.
//
// Locks: s.mu held; not asserted: the callers have just taken it.
func (s *pendingSet) unlist(tm *timer) {
	s.timers.Remove(&tm.signal)
	tm.listed = false
}

// firstTimer names a timer whose signal waits in s, and returns it; nil for none.
//
// Locks: takes s.mu.
func (s *pendingSet) firstTimer(c *percpu.CPU) (tm *timer) {
	s.mu.Lock(c)
	if n := s.timers.First(); n != nil {
		tm = timerOfSignal(n)
		nameHeld(c, unsafe.Pointer(tm))
	}
	s.mu.Unlock(c)
	return tm
}

// take takes one signal with a number that is pending. If it is a timer's, the result is the timer: the
// caller lets go of the set, and has the timer delivered, with fired. The timer is named while the set is locked, and so before
// a deletion, which withdraws the signal under that lock, looks for CPUs that name it. The caller ends that by unname.
//
// Locks: s.mu held.
func (s *pendingSet) take(c *percpu.CPU, p *Process, sig uint64) (in info, tm *timer, fired uint64) {
	s.mu.AssertHeld(c)
	in = info{sig: sig, code: codeUser, addr: uint64(p.ID)}
	b := bit(sig)
	switch {
	case s.plain&b == 0:
		tm = s.timer(sig)
		nameHeld(c, unsafe.Pointer(tm))
		fired = tm.fired
		s.unlist(tm)
	case s.tkill&b != 0:
		in.code = codeTkill
	case s.kernel&b != 0:
		in.code, in.addr = codeKernel, 0
	}
	s.drop(sig)
	return in, tm, fired
}

// takeValue returns the value that goes with the signal which is being delivered.
func (t *Task) takeValue() uint64 {
	v := t.value
	t.value = 0
	return v
}
