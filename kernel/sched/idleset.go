package sched

import (
	"muster/kernel/percpu"
)

// idleSet is the set of idle CPUs. A waker that has work for a CPU removes it, so only one of several wakers gets it.
//
// Each CPU has a word that says whether it is in the set, in its queue. A set in one word for many CPUs would be a cache line that
// each CPU writes when it becomes idle and when it gets a thread, also if the thread always comes back to it. So the shared set, hint, has
// the CPUs that may be idle: a CPU joins it when it becomes idle, if it is not there, and stays there while it runs threads. The
// waker that finds that a CPU in it is not idle takes it out. So the set is written when a waker looks for another CPU than the one that
// ran its thread, and when such a CPU becomes idle after that.
//
//	the CPU that becomes idle     the waker that finds it not idle
//	its word: 1                   hint: without the CPU
//	hint: in it? else join        its word: 1? then it joins for the CPU
//
// Both words are changed by locked instructions, so at least one of the two sees the other, and an idle CPU is in hint.
type idleSet struct{ hint percpu.Mask }

// idle is the set of idle CPUs. A CPU adds itself before its last look at the queues.
var idle idleSet

// Init gives the set zeroed memory for the numbers below n.
func (s *idleSet) Init(memory uintptr, n uint32) { s.hint.Init(memory, n) }

// Set adds a CPU.
func (s *idleSet) Set(id uint32) {
	local(percpu.Get(id)).isFree.Store(1) // a fence; pairs with the Clear in dismiss
	if !s.hint.Has(id) {
		s.hint.Set(id)
	}
}

// Clear removes a CPU and reports whether it was in the set. If several callers remove the same CPU, one gets true.
func (s *idleSet) Clear(id uint32) bool {
	free := &local(percpu.Get(id)).isFree
	return free.Load() != 0 && free.Swap(0) != 0
}

// Has reports whether a CPU is in the set.
func (s *idleSet) Has(id uint32) bool { return local(percpu.Get(id)).isFree.Load() != 0 }

// IsEmpty reports whether the set is empty, as far as one load says so.
func (s *idleSet) IsEmpty() bool { return s.hint.IsEmpty() }

// Next returns the lowest member from id on. ok is false when there is no such member.
func (s *idleSet) Next(id uint32) (next uint32, ok bool) {
	for next, ok = s.hint.Next(id); ok && !s.stays(next); next, ok = s.hint.Next(next + 1) {
	}
	return next, ok
}

// NextOf is Next for the members that another set has, too.
func (s *idleSet) NextOf(other *percpu.Mask, id uint32) (next uint32, ok bool) {
	for next, ok = s.hint.NextOf(other, id); ok && !s.stays(next); next, ok = s.hint.NextOf(other, next+1) {
	}
	return next, ok
}

// stays reports whether a CPU of hint is idle; if it is not, it is taken out of hint.
func (s *idleSet) stays(id uint32) bool { return s.Has(id) || s.dismiss(id) }

// dismiss takes a CPU out of hint that was found not idle. It reports whether the CPU has become idle meanwhile.
func (s *idleSet) dismiss(id uint32) bool {
	s.hint.Clear(id) // a fence; pairs with the Store in Set
	if !s.Has(id) {
		return false
	}
	s.hint.Set(id)
	return true
}
