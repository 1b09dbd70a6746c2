package sched

import (
	"unsafe"

	"muster/kernel/atom"
	"muster/kernel/clock"
	"muster/kernel/lock"
	"muster/kernel/percpu"
)

// The CPU time of a group of threads. If each CPU added to sums of the group at each switch, all CPUs that run threads of one
// program would write one cache line, although their threads have nothing to do with each other. So each CPU counts in an
// account of its own for the group of the thread that it ran last. It moves what it counted to the group's sums
// when a thread of another group comes to run. While a CPU runs one program and is idle in turn, it moves nothing.
//
// A reader adds the accounts of all CPUs. An account moves under its lock, and the sum of the group grows then: so a reader that
// finds the sum as it was before it looked at the accounts, has each account either before or after its move, and knows which.
//
// A CPU does not look at its account when a group ends. So the group's end looks at the accounts of all CPUs.

// account is what a CPU has counted for one group and has not moved to the group's sums.
type account struct {
	sums               // stored by this CPU, and by any that moves them under mu
	mu    lock.Spin    // RankAccount
	group atom.Uintptr // *Usage, 0 for none; stored under mu
}

// sums is CPU time, and the samples by which it is divided.
type sums struct {
	ticks        atom.Uint64 // counter ticks on a CPU
	user, system atom.Uint64 // ticks of the timer that found a thread outside the core, inside
}

// sample counts a tick of the timer, or what stands for weight ticks.
func (n *sums) sample(outside bool, weight uint64) {
	if outside {
		n.user.Count(weight)
	} else {
		n.system.Count(weight)
	}
}

// serves reports whether the time in the account is a group's.
func (a *account) serves(group *Usage) bool { return a.group.Load() == uintptr(unsafe.Pointer(group)) }

// turnTo makes the account that of another group, before a thread of the group runs.
//
// Locks: takes a.mu.
//
//go:noinline
func (a *account) turnTo(c *percpu.CPU, group uintptr) {
	a.mu.Lock(c)
	a.move()
	a.group.Store(group)
	a.mu.Unlock(c)
}

// move moves the time to the group that it is of.
//
// Locks: a.mu held; not asserted: the callers have just taken it.
func (a *account) move() {
	if to := (*Usage)(unsafe.Pointer(a.group.Load())); to != nil {
		to.user.Add(a.user.Load())
		to.system.Add(a.system.Load())
		to.ticks.Add(a.ticks.Load()) // a reader compares it: see total
	}
	a.ticks.Publish(0)
	a.user.Publish(0)
	a.system.Publish(0)
}

// EndGroup moves the time of a group to its sums on all CPUs: from here on none touches the group.
//
// Context: no thread is one of the group any more.
// Locks: takes that of an account.
func EndGroup(c *percpu.CPU, group *Usage) {
	for i := range percpu.Count() {
		if v := percpu.Get(i); v.Sched != 0 && local(v).account.serves(group) {
			local(v).account.endFor(c, group)
		}
	}
}

// endFor is turnTo for no group, unless the CPU has turned to another one meanwhile.
//
// Locks: takes a.mu.
func (a *account) endFor(c *percpu.CPU, group *Usage) {
	a.mu.Lock(c)
	if a.serves(group) {
		a.move()
		a.group.Store(0)
	}
	a.mu.Unlock(c)
}

// totals is the CPU time of a group: sums that do not change.
type totals struct{ ticks, user, system uint64 }

// sumTries is how often a reader adds the accounts anew because time moved meanwhile. After that the time that moved may be
// missing in its sum.
const sumTries = 8

// total returns what the CPUs have used for a group up to now.
//
// Locks: takes that of an account.
func (u *Usage) total(c *percpu.CPU) (n totals) {
	for range sumTries {
		before := u.ticks.Load()
		n = totals{before, u.user.Load(), u.system.Load()}
		for i := range percpu.Count() {
			if v := percpu.Get(i); v.Sched != 0 {
				local(v).addTo(c, u, &n)
			}
		}
		if u.ticks.Load() == before {
			return n
		}
	}
	return n
}

// addTo adds what a CPU has counted for a group to n, and what it has not counted yet.
//
// Locks: takes that of the account.
func (q *runQueue) addTo(c *percpu.CPU, group *Usage, n *totals) {
	if a := &q.account; a.serves(group) {
		a.mu.Lock(c)
		if a.serves(group) {
			n.ticks += a.ticks.Load()
			n.user += a.user.Load()
			n.system += a.system.Load()
		}
		a.mu.Unlock(c)
	}
	if q.runs(group) {
		n.ticks += q.uncounted(group)
	}
}

// GroupTime returns the CPU time of a group, up to now. A CPU that switches meanwhile stores its field since first, and then
// adds the time to its account. So the account is read first, and at worst the time of one turn is missing, but never what was once returned.
//
// Locks: takes that of an account.
func (u *Usage) GroupTime(c *percpu.CPU) clock.Time { return clock.Span(u.onward(u.total(c).ticks)) }

// GroupSplit is GroupTime, divided as Split divides.
//
// Locks: takes that of an account.
func (u *Usage) GroupSplit(c *percpu.CPU) (user, system clock.Time) {
	n := u.total(c)
	return split(clock.Span(u.onward(n.ticks)), n.user, n.system)
}

// UserTicks returns how many ticks of the timer found a thread of a group outside the core.
//
// Locks: takes that of an account.
func (u *Usage) UserTicks(c *percpu.CPU) uint64 { return u.total(c).user }

// groupDue reports whether a group has reached a limit.
//
// Locks: takes that of an account.
func (u *Usage) groupDue(c *percpu.CPU) bool {
	if !u.limited() {
		return false
	}
	n := u.total(c)
	return n.ticks >= u.Limit.Load() || n.user >= u.UserLimit.Load()
}
