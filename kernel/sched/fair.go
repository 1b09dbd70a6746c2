package sched

import (
	"unsafe"

	"muster/kernel/atom"
	"muster/kernel/clock"
	"muster/kernel/tree"
)

// The fair class: threads of programs share a CPU by weight. The rule is earliest eligible
// virtual deadline first (EEVDF). Each thread has a virtual time, which is the service that it got,
// divided by its weight. The weighted average of these times is the virtual time of the queue. A
// thread that is not ahead of the average is eligible: it has got no more than its share. A thread has requests
// for service; the deadline of a request is the thread's virtual time at its beginning, plus
// the length of the request divided by the weight. Of the eligible threads the one with the earliest
// deadline runs. So all threads get their shares, and a thread with short requests waits for less
// time than one with long ones.
//
// A thread does not say how long its requests are. One that computes has requests of the full length.
// That of a thread that sleeps follows from how long it ran between its sleeps.
//
// A thread keeps its virtual time while it sleeps. If it has got more than its share, the queue
// goes on without it until that is made up for, as if the thread waited there. If it has got less, it has a claim when
// it wakes up. In another queue a thread is as far from the average as it was in the last one. Debt and claim
// have bounds.
//
// Source: I. Stoica and H. Abdel-Wahab, "Earliest Eligible Virtual Deadline First: A Flexible and
// Accurate Mechanism for Proportional Share Resource Allocation", Old Dominion University TR-95-22, 1995.

// share is a thread's part of a fair queue. While the thread is in one the lock of that queue guards it,
// and otherwise it belongs to the code that has
// taken the thread out of its queue, or is about to put it into one.
type share struct {
	node    tree.Node // in fair.tree by deadline, while the thread waits
	v       uint64    // virtual time, in nanoseconds of a thread of weight unit
	least   uint64    // the smallest v in node's subtree
	weight  uint64
	wanted  atom.Uint64 // the weight that was set, 0 for none: see nice.go
	request uint64      // the length of a request, in nanoseconds
	ran     uint64      // nanoseconds since the thread began its turn, after it slept
	moved   uint64      // clock.Time of its last move by balance, 0 for none
	left    uint64      // when it left its last queue: the average of the others there
	home    *fair       // that queue
}

// unit is the weight of a thread at nice 0.
const unit = 1024

// fair is the threads of the fair class in a run queue, whose lock guards it. The sums are over the
// threads in the tree, the one that runs, and one that was left and is about to come back.
type fair struct {
	tree  tree.Tree
	lone  *Thread     // the only one that waits, if the tree is empty: most often one thread at most waits
	runs  *Thread     // the one that runs, nil if the CPU runs none of this class
	load  uint64      // the sum of the weights
	seen  atom.Uint64 // load, for other CPUs, which do not take the lock: an old value only costs a move
	sum   int64       // the sum of weight * (v - zero)
	zero  uint64      // near the average, so that sum is small
	since uint64      // counter value up to which the time of runs is counted
	died  uint64      // virtual time of the thread that died last
}

// Lengths of requests. slack is how far a thread may be ahead of the average and still be eligible. Without
// it, a thread that wakes up twice in a short time would wait for the next tick.
var fullRequest, shortRequest, slack uint64

// setRequests derives them from the time between two ticks. A thread that has had the CPU for a tick has
// used up its request.
func setRequests(tick clock.Time) {
	fullRequest = max(uint64(tick)/2, 1)
	shortRequest = max(uint64(tick)/10, 1)
	slack = shortRequest
}

// firstTime is the virtual time at which a queue begins: far enough from 0 that no subtraction wraps.
const firstTime = 1 << 40

// farSum is when sum is made small again. A product of a weight and a difference of times stays below 2^63
// by far, even if the smallest weight makes the average and the largest joins.
const farSum = 1 << 40

func (f *fair) init() {
	f.tree.Refresh = refreshLeast
	f.zero = max(f.zero, firstTime) // of a CPU that is online again, time goes on: threads have been here
}

// init gives a new thread its part. Its requests are short until it has used one up.
func (s *share) init() {
	s.weight = unit
	s.request = shortRequest
}

func threadOfShare(n *tree.Node) *Thread {
	return (*Thread)(unsafe.Add(unsafe.Pointer(n), -int(unsafe.Offsetof(Thread{}.share))))
}

func shareOf(n *tree.Node) *share { return (*share)(unsafe.Pointer(n)) }

var _ [0]byte = [unsafe.Offsetof(share{}.node)]byte{}

// refreshLeast is the tree's Refresh.
func refreshLeast(n *tree.Node) (changed bool) {
	s := shareOf(n)
	least := s.v
	if n.Left != nil {
		least = min(least, shareOf(n.Left).least)
	}
	if n.Right != nil {
		least = min(least, shareOf(n.Right).least)
	}
	changed = least != s.least
	s.least = least
	return changed
}

// virtual returns what a time adds to the virtual time of a thread with a weight.
func virtual(ns, weight uint64) uint64 {
	if weight == unit {
		return ns
	}
	return ns * unit / weight
}

// deadline returns the end of the thread's request, in virtual time.
func (s *share) deadline() uint64 { return s.node.Key }

// renew begins a request.
func (s *share) renew() { s.node.Key = s.v + virtual(s.request, s.weight) }

// average returns the virtual time of the queue. Rounding never makes it less than the
// smallest virtual time, so a queue that has threads has an eligible one.
func (f *fair) average() uint64 {
	if f.load == 0 {
		return f.zero
	}
	return f.zero + uint64(f.sum/int64(f.load))
}

// move moves the virtual time of a thread in the sums.
func (f *fair) move(s *share, to uint64) {
	f.sum += int64(s.weight) * int64(to-s.v)
	s.v = to
	f.near()
}

// near brings zero near the average, if the sum has become large.
func (f *fair) near() {
	if f.sum >= farSum || f.sum <= -farSum {
		by := f.sum / int64(f.load)
		f.zero += uint64(by)
		f.sum -= by * int64(f.load)
	}
}

// longest is the most time that is counted at once, two ticks. While others wait the CPU ticks, so a longer time is one in which the
// thread was alone, or in which a virtual CPU stood still, or a step of the counter. The others must
// not get as much before the thread runs again.
func longest() uint64 { return 4 * fullRequest }

// advance counts the time of the thread that runs, up to a counter value of the CPU that runs it. If the counter was set
// back, time goes on from there. A request that was used up is followed by one of the full length.
func (f *fair) advance(now uint64) {
	ticks := int64(now - f.since)
	f.since = now
	if ticks <= 0 || f.runs == nil {
		return
	}
	s := &f.runs.share
	ns := min(uint64(clock.Span(uint64(ticks))), longest())
	s.ran += ns
	f.move(s, s.v+virtual(ns, s.weight))
	if s.v >= s.deadline() {
		s.request = fullRequest
		s.renew()
	}
}

// count sets the sum of the weights.
func (f *fair) count(load uint64) {
	f.load = load
	f.seen.Publish(load)
}

// join counts a thread that comes, with a new request. A debt is at most that of a turn from tick to tick, and a claim
// that of a full request. A thread that comes first has neither.
func (f *fair) join(s *share) {
	if w := s.wanted.Load(); w != 0 {
		s.weight = w
	}
	average := f.average()
	away := int64(s.v - average)
	if s.home != f {
		away = int64(s.v - s.left)
	}
	if s.home == nil {
		// A new thread has the debt of the one that died last: or a program whose threads each die before they have
		// used up a request would get nearly all the time.
		away = max(int64(f.died-average), 0)
	}
	if f.load == 0 {
		away = 0
	}
	most := int64(virtual(fullRequest, s.weight))
	s.v = average + uint64(max(min(away, 2*most), -most))
	s.renew()
	f.count(f.load + s.weight)
	f.sum += int64(s.weight) * int64(s.v-f.zero)
	f.near()
}

// part counts a thread no more.
func (f *fair) part(s *share) {
	s.home = f
	f.count(f.load - s.weight)
	if f.load == 0 {
		f.zero, f.sum, s.left = s.v, 0, s.v
		return
	}
	f.sum -= int64(s.weight) * int64(s.v-f.zero)
	s.left = f.average()
}

// slept ends a turn: the thread, which has left the queue, waits for an event. Its next request is about twice as long
// as its turns have been.
func (s *share) slept() {
	s.request = (s.request + min(max(2*s.ran, shortRequest), fullRequest)) / 2
	s.ran = 0
}

// wait makes a counted thread wait for the CPU.
func (f *fair) wait(t *Thread) {
	if f.tree.Root == nil && f.lone == nil {
		f.lone = t
	} else {
		f.waitWithOthers(t)
	}
}

// waitWithOthers is wait where another thread waits.
func (f *fair) waitWithOthers(t *Thread) {
	if f.lone != nil {
		f.tree.Insert(&f.lone.share.node)
		f.lone = nil
	}
	f.tree.Insert(&t.share.node)
}

// remove makes a thread wait no more. It still counts.
func (f *fair) remove(t *Thread) {
	if f.lone == t {
		f.lone = nil
	} else {
		f.tree.Remove(&t.share.node)
	}
}

// first returns the waiting thread that is eligible and has the earliest deadline, nil if none is eligible: then
// the one that runs is. A thread that waits alone is always returned. On the way down, the left side has the earlier deadlines.
func (f *fair) first() *Thread {
	n := f.tree.Root
	if n == nil {
		return f.lone
	}
	limit := f.average() + slack
	for n != nil {
		switch {
		case n.Left != nil && shareOf(n.Left).least <= limit:
			n = n.Left
		case shareOf(n).v <= limit:
			return threadOfShare(n)
		default:
			n = n.Right
		}
	}
	return nil
}

// isShort reports whether a thread is of the fair class and has short requests.
func (t *Thread) isShort() bool { return t.level == levelFair && t.share.request < fullRequest }

// waitsShort reports whether the waiting thread with the earliest deadline has a short request.
func (f *fair) waitsShort() bool {
	if f.lone != nil {
		return f.lone.share.request < fullRequest
	}
	n := f.tree.First()
	return n != nil && shareOf(n).request < fullRequest
}

// any returns the waiting thread with the earliest deadline, and after returns the one that follows.
func (f *fair) any() *Thread {
	if n := f.tree.First(); n != nil {
		return threadOfShare(n)
	}
	return f.lone
}

func (f *fair) after(t *Thread) *Thread {
	if n := t.share.node.Next(); n != nil && f.lone != t {
		return threadOfShare(n)
	}
	return nil
}

// next returns the thread that is to run in place of the one that runs, nil if that goes on.
func (f *fair) next() *Thread {
	t := f.first()
	switch {
	case t == nil || t == f.lone && !f.eligible(&t.share):
		return nil
	case f.eligible(&f.runs.share) && !t.share.before(&f.runs.share, 0):
		return nil
	}
	return t
}

// eligible reports whether a thread has got no more than its share, and the slack.
func (f *fair) eligible(s *share) bool { return s.v <= f.average()+slack }

// before reports whether s, which is eligible, goes before the thread that runs: its deadline comes first, by
// a margin. A full request that is nearly used up counts as the one after it, or a thread with a short request
// would wait for the end of it, which is only noticed at the next tick.
func (s *share) before(runs *share, margin uint64) bool {
	end, own := runs.deadline(), s.deadline()+margin
	if runs.request == fullRequest && int64(end-runs.v) < int64(virtual(s.request, s.weight)+margin) {
		end += virtual(fullRequest, runs.weight)
	}
	return own <= end
}

// preempts reports whether a thread that wakes up goes before the one that runs at once. If the deadlines
// are near each other it does not: a switch would be for nothing.
func (f *fair) preempts(s *share) bool {
	return f.eligible(s) && s.before(&f.runs.share, slack/2)
}

// yield lets the others go first: if the thread that runs has a claim on them, it gives that up.
// The average of the others is at least the smallest of them, so one of them is eligible.
func (f *fair) yield() {
	s := &f.runs.share
	if others := int64(f.load - s.weight); others > 0 {
		rest := f.sum - int64(s.weight)*int64(s.v-f.zero)
		f.move(s, max(s.v, f.zero+uint64(rest/others)))
	}
	s.renew()
}
