package sched

import (
	"muster/kernel/percpu"
)

// Which CPUs are near each other, and where a CPU without a thread looks for one.
//
// A thread that wakes up finds its data in the caches of the CPU that ran it last. If that CPU is busy, the next
// best one shares a core with it, then a die, which most often means the largest cache, then a package, then memory. So
// there is a set of CPUs for each of these, and a search of an idle CPU combines it with the set of idle CPUs, 64 at a time.
//
// A CPU that has become idle looks for a thread that waits elsewhere. To look at all queues costs as much as there are
// CPUs, each time that one becomes idle, and reads a cache line of each. So it looks at the queues of a few neighbours, and
// at those of the CPUs in the set loaded. A CPU puts itself into this set at a tick that finds a
// waiting thread, and a waker puts a CPU into it when it adds a second thread to its queue. A single thread that waits far
// away for less than a tick is not found. At the next tick, which each CPU with a waiting thread has, its CPU
// offers it to an idle one.

// nearness is by what two CPUs are near each other.
type nearness int

const (
	sameCore nearness = iota
	sameDie
	samePackage
	sameNode
	nearnesses
)

// shares reports whether two CPUs are near each other.
func (by nearness) shares(a, b *percpu.CPU) bool {
	if by == sameNode {
		return a.Home == b.Home
	}
	shift := a.Shifts[by%sameNode]
	return shift == b.Shifts[by%sameNode] && uint64(a.APICID)>>shift == uint64(b.APICID)>>shift
}

// adds reports whether the set by this nearness may have CPUs that the one before lacks.
func (by nearness) adds(c *percpu.CPU) bool {
	switch by {
	case sameCore:
		return true
	case sameNode:
		return c.Home != 0
	}
	return c.Shifts[by%sameNode] != c.Shifts[(by-1)%sameNode]
}

// loaded is the CPUs in whose queues threads wait, as far as it was said.
var loaded percpu.Mask

// InitNear gives the set of loaded CPUs zeroed memory for n CPUs.
func InitNear(memory uintptr, n uint32) { loaded.Init(memory, n) }

// Join makes o one of the CPUs that are near others. alloc returns zeroed memory for a set of CPUs.
//
// Context: c alone makes CPUs; o has its queue and its record, but is not registered. The first call is for
// the boot CPU, which is registered, before others are.
func Join(c, o *percpu.CPU, alloc func(c *percpu.CPU) uintptr) {
	for by := range nearnesses {
		set := &local(o).near[by]
		if !by.adds(o) || set.Memory() != nil {
			continue
		}
		for id := range percpu.Count() {
			if v := percpu.Get(id); v != o && v.Sched != 0 && by.shares(v, o) && local(v).near[by].Memory() != nil {
				*set = local(v).near[by]
				break
			}
		}
		if set.Memory() == nil {
			set.Init(alloc(c), percpu.Limit())
		}
		set.Set(o.ID)
	}
}

// claimNear takes an idle CPU out of the set, the nearest to one that is not idle itself.
func claimNear(first uint32) (id uint32, ok bool) {
	q := local(percpu.Get(first))
	for by := range q.near {
		near := &q.near[by]
		for id, ok = idle.NextOf(near, 0); ok; id, ok = idle.NextOf(near, id+1) {
			if idle.Clear(id) {
				return id, true
			}
		}
	}
	for id, ok = idle.Next(0); ok; id, ok = idle.Next(id + 1) {
		if idle.Clear(id) {
			return id, true
		}
	}
	return 0, false
}

// neighbours is how many CPUs a CPU looks at that has become idle: those with the next numbers.
const neighbours = 16

// steal takes a thread from another CPU's queue, to run here next; nil if there is none, as far as a CPU looks.
//
// Context: c runs no other thread.
// Locks: takes one queue's at a time.
func steal(c *percpu.CPU) *Thread {
	n := percpu.Count()
	for i := uint32(1); i < min(n, 1+neighbours); i++ {
		if t := stealFrom(c, percpu.Get((c.ID+i)%n)); t != nil {
			return t
		}
	}
	if n <= 1+neighbours {
		return nil
	}
	for id, ok := loaded.Next(0); ok; id, ok = loaded.Next(id + 1) {
		if id == c.ID {
			continue
		}
		if t := stealFrom(c, percpu.Get(id)); t != nil {
			return t
		}
	}
	return nil
}

// stealFrom is steal from one CPU.
func stealFrom(c, v *percpu.CPU) *Thread {
	if v.Sched == 0 || local(v).spare.Load() == 0 { // registered and not started, or without a thread for others
		return nil
	}
	t := local(v).pull(c, true)
	if t == nil {
		local(v).spent(c)
		return nil
	}
	local(c).did[stole]++
	if local(c).adopt(c, t) {
		offer(c, local(c))
	}
	return t
}

// isWide reports whether a CPU that becomes idle does not look at all queues.
func isWide() bool { return percpu.Count() > 1+neighbours }

// say puts this CPU into the set loaded if threads wait in its queue, and takes it out if none does.
//
// Context: the CPU of the queue, in its tick.
func (q *runQueue) say(c *percpu.CPU) {
	switch waits := q.count.Load() > 0; {
	case !isWide() || waits == loaded.Has(c.ID):
	case waits:
		loaded.Set(c.ID)
	default:
		loaded.Clear(c.ID)
	}
}

// sayCrowded puts the CPU of a queue in which more than one thread waits into the set loaded.
func (q *runQueue) sayCrowded() {
	if isWide() && !loaded.Has(q.id) {
		loaded.Set(q.id)
	}
}
