package linux

import (
	"unsafe"

	"muster/kernel/atom"
	"muster/kernel/percpu"
)

// How a sender finds the task to which it sends a signal. The tree of a process's tasks is guarded by the lock of the process, whose
// line all senders would share, although their signals go to different tasks. So the process has a table, too, which is read
// without a lock, as descriptors are (fdread.go): a word of the CPU names the task that it is about to use, and a task that ends waits
// until no CPU names it before its memory is freed. Tasks whose ids have the same last bits share a place in the table. One of them
// has it until it ends; the others are found in the tree, and the first that is found there takes a place that has become free.
//
// A task may end while it is named: then it has left the process, and takes the signal no more. That is as if it had ended before.

// tasksSeen is the number of tasks of a process that are found without its lock. It is a power of two.
const tasksSeen = 64

// seenTasks is tasks by the last bits of their ids; stored under Process.mu, loaded anywhere.
type seenTasks [tasksSeen]atom.Uintptr

func (s *seenTasks) slot(id uint32) *atom.Uintptr { return &s[id%tasksSeen] }

// add shows a task to senders, if its place is free.
//
// Locks: Process.mu held; not asserted: the callers have just taken it.
func (s *seenTasks) add(t *Task) {
	if w := s.slot(t.ID); w.Load() == 0 {
		w.Store(uintptr(unsafe.Pointer(t)))
	}
}

// remove hides a task from senders.
//
// Locks: Process.mu held; not asserted: the callers have just taken it.
func (s *seenTasks) remove(t *Task) {
	if w := s.slot(t.ID); w.Load() == uintptr(unsafe.Pointer(t)) {
		w.Store(0) // a fence; pairs with the Store of Reading in name
	}
}

// name returns the task with an id, and keeps its memory until unname. If the result is nil, the caller looks in the tree.
func (s *seenTasks) name(c *percpu.CPU, id uint32) *Task {
	w := s.slot(id)
	v := w.Load()
	if v == 0 {
		return nil
	}
	c.Reading.Store(v) // a fence; pairs with the Load in awaitReaders
	if t := (*Task)(unsafe.Pointer(v)); w.Load() == v && t.ID == id {
		return t
	}
	c.Reading.Release()
	return nil
}

// unname ends what name began.
func unname(c *percpu.CPU) { c.Reading.Release() }

// assertStays panics in debug builds if the CPU neither names t nor has the lock of its process, under which t could not leave.
func (t *Task) assertStays(c *percpu.CPU) {
	if c.Reading.Load() != uintptr(unsafe.Pointer(t)) {
		t.proc.mu.AssertHeld(c)
	}
}
