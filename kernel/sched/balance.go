package sched

import (
	"muster/kernel/atom"
	"muster/kernel/clock"
	"muster/kernel/percpu"
)

// Threads of the fair class share the whole machine, not only the CPU in whose queue they are. Where threads wait, the CPU ticks,
// and at its ticks it compares its load with those of other CPUs that run threads. Idle CPUs need no comparison: they take a thread by
// themselves, see steal and offer. The load of a CPU is the sum of the weights of its threads.
//
//	it is uneven      Another CPU has less load by more than the weight of a thread that waits here: this CPU gives that
//	                  thread away. It does so at the second tick in a row, because most threads that wait do so for a moment.
//	it cannot be even With five threads for four CPUs one CPU has two at any time. So a CPU that has had threads waiting for
//	                  some ticks gives one to the CPU for which that was longest ago. The load does not become more even, but
//	                  every CPU has two threads for the same part of the time. A thread that came by such a move does not go
//	                  before the one that it came to, or the same thread would always be one of two.
//
// So all threads get the same in the long run. The CPU that has threads waiting pushes, since the others may not tick.
//
// A thread goes to another memory node later than to a CPU of its own, as its memory stays where it is. Each tick looks at a few CPUs,
// and the next one at the CPUs that follow.

// How many ticks in a row threads have waited when a CPU gives one away.
const (
	unevenTicks = 2 // if the load is uneven
	rotateTicks = 8 // if it cannot be even
	farTicks    = 4 // if the load is uneven, to a CPU of another node
)

// heavy is the load of a real-time thread that runs: threads of the fair class get what it leaves.
const heavy = 4 * unit

// crowd is how many threads wait at a CPU before another thread that becomes ready looks for a CPU with less load.
const crowd = 2

// lighter returns a CPU for a thread that becomes ready while no CPU is idle, and several threads wait at its last CPU: the one with
// the least load of three, which are its last CPU, this CPU, and another one at each call. The cost of a look at all CPUs would grow with
// their number, and with a second CPU to choose from the longest queue is already nearly as short as with all of them. The thread moves
// only if that makes a difference of more than one thread, and not to another memory node.
//
// Source: M. Mitzenmacher, "The Power of Two Choices in Randomized Load Balancing", IEEE Transactions on Parallel and Distributed
// Systems 12(10), 2001.
//
// Context: t is ready and in no queue, and may run on all CPUs.
func lighter(c *percpu.CPU, last uint32, t *Thread) uint32 {
	if t.nextLevel() != levelFair {
		return last
	}
	q, home := local(c), percpu.Get(last).Home
	q.sample = (q.sample + 1) % percpu.Count()
	load, _ := local(percpu.Get(last)).loads()
	least := load - min(2*t.share.weight, load)
	for _, id := range [2]uint32{c.ID, q.sample} {
		v := percpu.Get(id)
		if v.Sched == 0 || !v.IsOnline() || v.Home != home {
			continue
		}
		if other, _ := local(v).loads(); other < least {
			last, least = id, other
		}
	}
	return last
}

// balancer is what a CPU knows for balancing.
type balancer struct {
	crowded atom.Uint64 // clock.Time of this CPU's last tick at which threads waited; stored by this CPU
	streak  uint32      // ticks in a row at which threads waited; this CPU alone
	from    uint32      // where the next look at other CPUs begins; this CPU alone
	sample  uint32      // the CPU at which lighter looked last; this CPU alone
}

// candidate is a CPU that may get a thread.
type candidate struct {
	id      uint32
	load    uint64
	crowded uint64
}

// before reports whether a CPU should get a thread rather than another one.
func (x *candidate) before(y *candidate) bool {
	return x.load < y.load || x.load == y.load && x.crowded < y.crowded
}

// loads returns the load of a CPU. ok is false for one that is idle: the loads of such CPUs are not compared.
//
// Context: any CPU, no lock: both numbers may be old.
func (q *runQueue) loads() (load uint64, ok bool) {
	load = q.fair.seen.Load()
	running := q.running.Load()
	if running < levelFair {
		load += heavy
	}
	return load, running != levelIdle
}

// balance gives a thread that waits here to another CPU, if the load is uneven or has been the same for long.
//
// Context: the CPU of the queue, in its tick, at which threads wait.
// Locks: takes q.mu, and then another queue's.
func (q *runQueue) balance(c *percpu.CPU, now clock.Time) {
	q.crowded.Publish(uint64(now))
	q.streak++
	if percpu.Count() == 1 || q.streak < unevenTicks {
		return
	}
	var list [neighbours]candidate
	n := q.candidates(c, &list)
	if n == 0 {
		return
	}
	q.mu.Lock(c)
	t, to, even := q.surplus(list[:n])
	if t != nil {
		t.share.moved = uint64(now)
		q.withdraw(c, t)
	}
	q.mu.Unlock(c)
	if t == nil {
		return
	}
	q.streak = unevenTicks - 1
	if even {
		q.streak = 0
	}
	q.did[balanced]++
	if !give(c, percpu.Get(to), t) {
		enqueue(c, t)
	}
}

// candidates lists the CPUs that have less load than this one, of the next few, the best first.
//
// Context: the CPU of the queue, in its tick.
func (q *runQueue) candidates(c *percpu.CPU, list *[neighbours]candidate) (n uint32) {
	own, _ := q.loads()
	cpus := percpu.Count()
	first := q.from
	for i := range min(cpus, neighbours) {
		v := percpu.Get((first + i) % cpus)
		if v == c || v.Sched == 0 || !v.IsOnline() || v.Home != c.Home && q.streak < farTicks {
			continue
		}
		load, ok := local(v).loads()
		if !ok || load >= own {
			continue
		}
		x := candidate{v.ID, load, local(v).crowded.Load()}
		at := n
		for ; at > 0 && x.before(&list[(at-1)%neighbours]); at-- {
			list[at%neighbours] = list[(at-1)%neighbours]
		}
		list[at%neighbours] = x
		n++
	}
	q.from = (first + neighbours) % cpus
	return n
}

// surplus chooses a thread of the fair class that waits, and a CPU for it: the best one for the first thread that should go; nil if
// none should. even says that the load does not become more even.
//
// Locks: q.mu held; not asserted: balance has just taken it.
func (q *runQueue) surplus(list []candidate) (t *Thread, to uint32, even bool) {
	own, _ := q.loads()
	n := pulled
	for t = q.fair.any(); t != nil && n > 0; t, n = q.fair.after(t), n-1 {
		for i := range list {
			v := &list[i]
			if !t.may(v.id) || own <= v.load {
				continue
			}
			if goes, even := q.goes(t, own-v.load); goes {
				return t, v.id, even
			}
			break // the others have more load
		}
	}
	return nil, 0, false
}

// goes reports whether a thread should go to a CPU that has less load by a difference, and whether that only changes which CPU has
// the load.
//
// Locks: q.mu held; not asserted: balance has just taken it.
func (q *runQueue) goes(t *Thread, less uint64) (goes, even bool) {
	s := &t.share
	switch runs := q.fair.runs; {
	case less > s.weight+s.weight/4:
		return true, false
	case less < s.weight-s.weight/4 || q.streak < rotateTicks:
		return false, false
	case runs != nil && runs.share.moved < s.moved: // the turn of the one that runs
		return q.streak >= 2*rotateTicks, true // it may have to stay
	}
	return true, true
}
