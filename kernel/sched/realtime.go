package sched

import (
	"math/bits"
	"unsafe"

	"muster/kernel/list"
)

// The real-time class: strict levels, each with a list. The first thread of the best level runs. Level 0 is
// the kernel's own threads. Under it are the priorities 99 to 1 of programs.

// level orders threads: a thread of a lower level always runs first.
type level = uint32

// Levels.
const (
	priorities = 99 // of programs in the real-time class

	levelKernel level = 0              // the kernel's own threads
	levelFair   level = 1 + priorities // all threads of the fair class; level 1 is priority 99
	levelIdle   level = levelFair + 1  // the idle thread

	lists      = levelFair         // levels that have a list
	levelWords = (lists + 63) / 64 // of a bitmap of them: two
)

// realtime is the threads of the real-time class in a run queue, whose lock guards it.
type realtime struct {
	lists  [lists]list.List
	filled [levelWords]uint64 // bit l says that lists[l] is not empty
}

// best returns the best level that has a thread, levelFair if none has.
func (r *realtime) best() level {
	switch {
	case r.filled[0] != 0:
		return level(bits.TrailingZeros64(r.filled[0]))
	case r.filled[1] != 0:
		return level(64 + bits.TrailingZeros64(r.filled[1]))
	}
	return levelFair
}

// from returns the best level from l on that has a thread, levelFair if none has.
func (r *realtime) from(l level) level {
	for i := l / 64; i < levelWords; i++ {
		if w := r.filled[i] >> (l % 64) << (l % 64); w != 0 {
			return 64*i + level(bits.TrailingZeros64(w))
		}
		l = 0
	}
	return levelFair
}

func (r *realtime) isEmpty() bool { return r.filled[0]|r.filled[1] == 0 }

// put adds a thread after those of its level, or before them.
func (r *realtime) put(t *Thread, first bool) {
	l := &r.lists[t.level%lists]
	if head := l.First(); first && head != nil {
		l.Insert(&t.queued, head)
	} else {
		l.Push(&t.queued)
	}
	r.filled[t.level/64%levelWords] |= 1 << (t.level % 64)
}

// remove takes a thread out.
func (r *realtime) remove(t *Thread) {
	l := &r.lists[t.level%lists]
	l.Remove(&t.queued)
	if l.First() == nil {
		r.filled[t.level/64%levelWords] &^= 1 << (t.level % 64)
	}
}

// first returns the first thread of a level, which has one.
func (r *realtime) first(l level) *Thread { return queuedThread(r.lists[l%lists].First()) }

// queuedThread returns the thread of a node in a list of a run queue.
func queuedThread(n *list.Node) *Thread {
	return (*Thread)(unsafe.Add(unsafe.Pointer(n), -int(unsafe.Offsetof(Thread{}.queued))))
}
