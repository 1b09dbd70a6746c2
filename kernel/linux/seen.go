package linux

import (
	"unsafe"

	"muster/kernel/atom"
	"muster/kernel/percpu"
)

// How a call finds a task or a timer of its process by its id. The trees of tasks and timers are guarded by locks, whose
// lines all callers would share, although they use different objects. So the process has tables, too, which are read
// without a lock, as descriptors are (fdread.go): a word of the CPU names the object that it is about to use, and an object that ends waits
// until no CPU names it before its memory is freed. Objects whose ids have the same last bits share a place in the table. One of them
// has it until it ends; the others are found in the tree, and the first that is found there takes a place that has become free.
//
// An object may end while it is named: it has left its process then, and says so under its own lock, or what is done to it has no effect
// any more. That is as if it had ended before.

// seenPlace is a place of a table that is read without a lock: an object's address, or 0; stored under the lock of the tree, loaded
// anywhere.
type seenPlace struct{ object atom.Uintptr }

// show makes name find an object, if its place is free.
//
// Locks: that of the tree held; not asserted: the callers have just taken it.
func (w *seenPlace) show(o unsafe.Pointer) {
	if w.object.Load() == 0 {
		w.object.Store(uintptr(o))
	}
}

// hide makes name find an object no more.
//
// Locks: that of the tree held; not asserted: the callers have just taken it.
func (w *seenPlace) hide(o unsafe.Pointer) {
	if w.object.Load() == uintptr(o) {
		w.object.Store(0) // a fence; pairs with the Store of Reading in name
	}
}

// name returns the object in a place, and keeps its memory until unname; nil if there is none, or another CPU changes the place. The
// object may have another id than the caller's. A caller without an object looks in the tree.
func (w *seenPlace) name(c *percpu.CPU) unsafe.Pointer {
	v := w.object.Load()
	if v == 0 {
		return nil
	}
	c.Reading.Store(v) // a fence; pairs with the Load in awaitReaders
	if w.object.Load() == v {
		return unsafe.Pointer(v)
	}
	c.Reading.Release()
	return nil
}

// nameHeld names an object that cannot be freed before the caller unlocks what it has locked.
func nameHeld(c *percpu.CPU, o unsafe.Pointer) {
	c.Reading.Store(uintptr(o)) // a fence; pairs with the Load in awaitReaders
}

// unname ends what name or nameHeld began.
func unname(c *percpu.CPU) { c.Reading.Release() }

// names reports whether the CPU names an object.
func names(c *percpu.CPU, o unsafe.Pointer) bool { return c.Reading.Load() == uintptr(o) }

// seenTasks is the tasks of a process by the last bits of their ids.
type seenTasks [tasksSeen]seenPlace

// tasksSeen is the number of tasks of a process that are found without its lock. It is a power of two.
const tasksSeen = 64

func (s *seenTasks) place(id uint32) *seenPlace { return &s[id%tasksSeen] }

// show makes name find a task.
//
// Locks: Process.mu held; not asserted: the callers have just taken it.
func (s *seenTasks) show(t *Task) { s.place(t.ID).show(unsafe.Pointer(t)) }

// hide makes name find a task no more.
//
// Locks: Process.mu held; not asserted: the callers have just taken it.
func (s *seenTasks) hide(t *Task) { s.place(t.ID).hide(unsafe.Pointer(t)) }

// name returns the task with an id, and keeps its memory until unname. If the result is nil, the caller looks in the tree.
func (s *seenTasks) name(c *percpu.CPU, id uint32) *Task {
	t := (*Task)(s.place(id).name(c))
	if t != nil && t.ID != id {
		unname(c)
		return nil
	}
	return t
}

// assertStays panics in debug builds if the CPU neither names t nor has the lock of its process, under which t could not leave.
func (t *Task) assertStays(c *percpu.CPU) {
	if !names(c, unsafe.Pointer(t)) {
		t.proc.mu.AssertHeld(c)
	}
}
