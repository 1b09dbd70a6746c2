package sched

import (
	"muster/kernel/abi"
	"muster/kernel/percpu"
)

// What a listing shows of a CPU's queue: what the CPU has done, and which threads wait.

// deed is something that a CPU counts. Only the CPU stores its counters; others read them while they change.
type deed int

// Deeds. Those of placement are the choices of this CPU for threads that became ready: how near the idle CPU that it
// chose is to the one that ran the thread last. A CPU that puts a thread back which it has run makes no choice.
const (
	toPrevious deed = iota // the one that ran it last
	toCore                 // one that shares a core with that; the order is that of nearness
	toDie
	toPackage
	toNode
	toOther
	toBusy    // none was idle: the thread waits, or comes before the one that runs
	stole     // a thread from another CPU's queue, when this one had none
	preempted // a thread that could go on made room for a better one; a yield and the end of a turn do not count
	balanced  // this CPU gave a thread that waited to one with less load: see balance.go
	deeds
)

var _ [abi.SchedCounters]struct{} = [deeds]struct{}{}

// note counts the choice of a CPU for a thread that ran on another one, or the same.
func (q *runQueue) note(last, id uint32) {
	if id == last {
		q.did[toPrevious]++
		return
	}
	q.did[nearnessOf(last, id)]++
}

// nearnessOf returns how near two different CPUs are.
func nearnessOf(a, b uint32) deed {
	from := local(percpu.Get(a))
	for by := range from.near {
		if from.near[by].Has(b) {
			return toCore + deed(by)
		}
	}
	return toOther
}

// View stores in v what CPU o runs and has done, and the first threads that wait for it, in the order of their levels and
// deadlines. c is this CPU. The counters, and the thread that runs, may change while they are read.
//
// Context: v is zeroed.
// Locks: takes the queue's of o.
func View(c, o *percpu.CPU, v *abi.SchedCPU) {
	v.Thread = o.ThreadID
	if o.Sched == 0 {
		return
	}
	q := local(o)
	for i := range v.Counts {
		v.Counts[i] = q.did[i]
	}
	q.mu.Lock(c)
	q.glance(c)
	f := &q.fair
	v.Waiting, v.Class = q.count.Load(), classOf(q.running.Load())
	if f.runs != nil {
		v.Runs = shown(f, f.runs)
	}
	n := 0
	for t := q.waiting(nil); t != nil && n < len(v.List); t, n = q.waiting(t), n+1 {
		v.List[n] = shown(f, t)
	}
	q.mu.Unlock(c)
}

// classOf returns the class of the threads of a level. A level does not tell all: those of ClassIdle count as fair, those of
// ClassRoundRobin as FIFO, and ClassIdle is the idle thread's. Of a thread that waits, Class tells more.
func classOf(l level) abi.Class {
	switch {
	case l == levelKernel:
		return abi.ClassKernel
	case l < levelFair:
		return abi.ClassFIFO
	case l == levelFair:
		return abi.ClassFair
	}
	return abi.ClassIdle
}

// shown returns how a thread stands in a queue.
//
// Locks: the queue's held; not asserted: View has just taken it.
func shown(f *fair, t *Thread) (s abi.SchedThread) {
	s.ID = t.ID
	s.Class, _ = t.Class()
	if t.level == levelFair {
		s.Weight = t.share.weight
		s.AheadNS, s.DueNS = int64(t.share.v-f.average()), int64(t.share.deadline()-f.average())
	}
	return s
}
