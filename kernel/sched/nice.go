package sched

import "muster/kernel/atom"

// Nice values say how large a thread's share is: one step less is a quarter more. Any CPU may set the
// value of any thread, whatever that does. A setter stores one word, share.wanted. The weight itself, with
// which the thread counts in the sums of a queue, changes only under the lock of that queue, and by three kinds of code:
// the thread joins the queue, it is chosen to run, or it runs and the CPU looks at its queue. So no lock
// is taken for the thread, and the sums are right at any time. A thread that waits keeps its old weight until it
// runs next, and one that runs until the next tick.

// Bounds of a nice value.
const (
	minNice = -20
	maxNice = 19
)

// weights has the weight of each nice value: unit / 1.25^nice, rounded.
var weights = [maxNice - minNice + 1]uint64{
	88818, 71054, 56843, 45475, 36380, 29104, 23283, 18626, 14901, 11921,
	9537, 7629, 6104, 4883, 3906, 3125, 2500, 2000, 1600, 1280,
	1024, 819, 655, 524, 419, 336, 268, 215, 172, 137,
	110, 88, 70, 56, 45, 36, 29, 23, 18, 15,
}

// idleWeight is the weight of a thread that runs when the others leave time: that of
// SCHED_IDLE on Linux.
const idleWeight = 3

// standing is what other threads may set of a thread in the fair class.
type standing struct {
	nice atom.Uint32 // an int32
	idle atom.Uint32 // 1: counts by idleWeight
}

// SetNice sets a thread's nice value, or the nearest one that there is.
//
// Context: any CPU, any state of t, which cannot be freed; one caller at a time.
func (t *Thread) SetNice(nice int32) {
	t.standing.nice.Store(uint32(max(min(nice, maxNice), minNice)))
	t.setWanted()
}

// Nice returns a thread's nice value.
func (t *Thread) Nice() int32 { return int32(t.standing.nice.Load()) }

// SetIdle makes a thread run only when the others leave time, or ends that.
//
// Context: as SetNice.
func (t *Thread) SetIdle(idle bool) {
	word := uint32(0)
	if idle {
		word = 1
	}
	t.standing.idle.Store(word)
	t.setWanted()
}

// IsIdle reports whether SetIdle has made the thread run only when the others leave time.
func (t *Thread) IsIdle() bool { return t.standing.idle.Load() != 0 }

// Inherit gives a new thread what was set for its maker.
//
// Context: nothing has started t.
func (t *Thread) Inherit(from *Thread) {
	t.standing.idle.Store(from.standing.idle.Load())
	t.SetNice(from.Nice())
}

// setWanted stores the weight that follows from what was set.
func (t *Thread) setWanted() {
	w := weights[uint32(t.Nice()-minNice)%uint32(len(weights))]
	if t.standing.idle.Load() != 0 {
		w = idleWeight
	}
	t.share.wanted.Store(w)
}

// reweigh gives a thread that is counted, and not in the tree, the weight that was set for it.
func (f *fair) reweigh(s *share) {
	if s.wanted.Load() != s.weight {
		f.setWeight(s)
	}
}

// setWeight changes the weight of such a thread. Most threads are never here: a new one gets a weight from its maker.
//
//go:noinline
func (f *fair) setWeight(s *share) {
	w := s.wanted.Load()
	if w == 0 {
		return
	}
	f.sum += int64(w-s.weight) * int64(s.v-f.zero)
	f.count(f.load + w - s.weight)
	s.weight = w
	s.renew()
}
