package linux

import (
	"unsafe"

	"muster/kernel/list"
	"muster/kernel/percpu"
	"muster/kernel/tree"
)

// watch is one file in an epoll, under one descriptor. It points to its file without
// a reference: dropWatches removes it, under the epoll's lock, before the file's
// memory is freed. It has a reference to its epoll.
type watch struct {
	ep      *epoll
	file    *File
	fd      uint64
	ofFile  tree.Node // in file.watches, in the order of arrival; guarded by file.mu
	ofEpoll tree.Node // in ep.watches, guarded by ep.mu
	inEpoll bool      // guarded by ep.mu

	events    uint32    // requested, errors in any case; guarded by ep.mu
	data      uint64    // of the program; guarded by ep.mu
	spent     bool      // a watch for one report that has been made; guarded by ep.mu
	reporting list.Node // in ep.ready, guarded by ep.mu
	busy      uint32    // tasks that work on it; guarded by ep.mu
	dead      bool      // unlinked, while busy perhaps: then the last of them frees it; guarded by ep.mu
}

// Flags of a watch.
const (
	epollExclusive = 1 << 28
	epollWakeup    = 1 << 29
	epollOneshot   = 1 << 30
	epollEdge      = 1 << 31
	epollAlways    = epollErr | epollHup
)

// watchOfFile, watchOfEpoll and watchReady return the watch of a node in File.watches,
// epoll.watches and epoll.ready, nil for nil.
func watchOfFile(n *tree.Node) *watch {
	return watchAt(unsafe.Pointer(n), unsafe.Offsetof(watch{}.ofFile))
}

func watchOfEpoll(n *tree.Node) *watch {
	return watchAt(unsafe.Pointer(n), unsafe.Offsetof(watch{}.ofEpoll))
}

func watchReady(n *list.Node) *watch {
	return watchAt(unsafe.Pointer(n), unsafe.Offsetof(watch{}.reporting))
}

func watchAt(n unsafe.Pointer, offset uintptr) *watch {
	if n == nil {
		return nil
	}
	return (*watch)(unsafe.Add(n, -int(offset)))
}

// watchKey orders the watches of an epoll. Files are 64 bytes apart, so each key
// belongs to one file and descriptor.
func watchKey(f *File, fd uint64) uint64 { return uint64(uintptr(unsafe.Pointer(f)))<<6 + fd }

// A descriptor fits into what the address leaves free.
var _ [1<<12 - maxFiles]byte

// find returns the watch of f under a descriptor, nil if there is no such watch.
//
// Locks: ep.mu held.
func (ep *epoll) find(c *percpu.CPU, f *File, fd uint64) *watch {
	ep.mu.AssertHeld(c)
	key := watchKey(f, fd)
	if n := ep.watches.AtLeast(key); n != nil && n.Key == key {
		return watchOfEpoll(n)
	}
	return nil
}

// link puts a complete watch into its file and its epoll.
//
// Locks: w.file.mu and w.ep.mu held.
func (w *watch) link(c *percpu.CPU) {
	w.file.mu.AssertHeld(c)
	w.ep.mu.AssertHeld(c)
	w.ep.refs.Get(c)
	w.ofFile.Key = w.file.arrived
	w.file.arrived++
	w.ofEpoll.Key = watchKey(w.file, w.fd)
	w.file.watches.Insert(&w.ofFile)
	w.ep.watches.Insert(&w.ofEpoll)
	w.inEpoll = true
}

// unlink takes w out of its file and its epoll. It reports whether the caller must
// free it.
//
// Locks: w.file.mu and w.ep.mu held.
func (w *watch) unlink(c *percpu.CPU) (free bool) {
	w.file.mu.AssertHeld(c)
	w.ep.mu.AssertHeld(c)
	w.leaveEpoll(c)
	w.file.watches.Remove(&w.ofFile)
	w.dead = true
	return w.busy == 0
}

// leaveEpoll takes w out of its epoll alone.
//
// Locks: w.ep.mu held.
func (w *watch) leaveEpoll(c *percpu.CPU) {
	w.ep.mu.AssertHeld(c)
	w.unlist(c)
	if w.inEpoll {
		w.inEpoll = false
		w.ep.watches.Remove(&w.ofEpoll)
	}
}

// free frees a watch that is unlinked, with its reference to the epoll.
func (w *watch) free(c *percpu.CPU) {
	ep := w.ep
	freeWatch(c, w)
	ep.put(c)
}

// dropWatches removes a file that is ending from the epolls that watch it.
//
// Context: f has no reference left; no lock held. Returns the CPU on which the task
// goes on.
func (f *File) dropWatches(c *percpu.CPU) *percpu.CPU {
	for turn := 0; ; c = breatheEvery(c, &turn, 16) {
		free := false
		f.mu.Lock(c)
		w := watchOfFile(f.watches.Root)
		if w != nil {
			ep := w.ep
			ep.mu.Lock(c)
			free = w.unlink(c)
			ep.mu.Unlock(c)
		}
		f.mu.Unlock(c)
		if w == nil {
			return c
		}
		if free {
			w.free(c)
		}
	}
}

// trigger puts a watch on its epoll's list if the watch requests one of the events
// that ch brings.
//
// Locks: w.file.mu held.
func (w *watch) trigger(c *percpu.CPU, ch *change) {
	w.file.mu.AssertHeld(c)
	ep := w.ep
	ep.mu.Lock(c)
	if w.events&ch.key != 0 && !w.spent {
		w.announce(c, ch)
	}
	ep.mu.Unlock(c)
}

// announce puts w on the list of its epoll, and wakes a task that waits for it.
//
// Locks: w.ep.mu held.
func (w *watch) announce(c *percpu.CPU, ch *change) {
	w.ep.mu.AssertHeld(c)
	w.list(c)
	w.ep.waiters.wakeOne(c)
	ch.note(c, w.ep)
}

// list appends w to the list of its epoll.
//
// Locks: w.ep.mu held.
func (w *watch) list(c *percpu.CPU) {
	w.ep.mu.AssertHeld(c)
	if !w.reporting.Linked() {
		w.ep.ready.Push(&w.reporting)
		w.ep.nready++
	}
}

// unlist takes w off the list of its epoll.
//
// Locks: w.ep.mu held.
func (w *watch) unlist(c *percpu.CPU) {
	w.ep.mu.AssertHeld(c)
	if w.reporting.Linked() {
		w.ep.ready.Remove(&w.reporting)
		w.ep.nready--
	}
}

// report is what epoll_wait tells of one watch.
type report struct {
	events uint32 // 0: nothing
	data   uint64
	spent  bool // this was its only report
}

// take looks whether w has something to report, and whether it stays on the list. A
// watch that is not on the list any more was reported by another task. The file's
// lock keeps away a trigger between the look and the decision.
//
// Context: w is busy, and the caller has a reference to its file.
func (w *watch) take(c *percpu.CPU) (r report) {
	f, ep := w.file, w.ep
	f.mu.Lock(c)
	ready := f.ready(c)
	ep.mu.Lock(c)
	if w.reports(c) {
		r.events, r.data = w.events&ready&eventBits, w.data
		r.spent = w.settled(c, r.events)
	}
	ep.mu.Unlock(c)
	f.mu.Unlock(c)
	return r
}

// takeNow is take, and also stores what w has to report at the address out, and releases
// w: all under the locks, if the program's memory is there. any says that there was
// something to report. If takeNow returns false, nothing has changed.
//
// Context: as take.
func (w *watch) takeNow(c *percpu.CPU, t *Task, out uintptr) (any, ok bool) {
	f, ep, free := w.file, w.ep, false
	f.mu.Lock(c)
	ready := f.ready(c)
	ep.mu.Lock(c)
	ok = true
	if w.reports(c) {
		events := w.events & ready & eventBits
		if any = events != 0; any {
			e := [epollEventBytes / 4]uint32{events, uint32(w.data), uint32(w.data >> 32)}
			ok = t.Space.CopyOutNow(c, out, unsafe.Pointer(&e), epollEventBytes)
		}
		if ok {
			w.settled(c, events)
		}
	}
	if ok {
		w.busy--
		free = w.dead && w.busy == 0
	}
	ep.mu.Unlock(c)
	f.mu.Unlock(c)
	if free {
		w.free(c)
	}
	return any, ok
}

// reports says whether w is on the list, and may have something to report.
//
// Locks: w.ep.mu held.
func (w *watch) reports(c *percpu.CPU) bool {
	w.ep.mu.AssertHeld(c)
	return !w.dead && !w.spent && w.reporting.Linked()
}

// settled notes that events of w were reported, or that it has none. spent says that this
// was its only report.
//
// Locks: w.ep.mu held.
func (w *watch) settled(c *percpu.CPU, events uint32) (spent bool) {
	w.ep.mu.AssertHeld(c)
	if events != 0 && w.events&(epollOneshot|epollEdge) == 0 && w.ep.nready == 1 {
		return false // it is the last on the list already
	}
	w.unlist(c)
	switch {
	case events == 0:
	case w.events&epollOneshot != 0:
		w.spent, spent = true, true
	case w.events&epollEdge == 0:
		w.list(c)
	}
	return spent
}

// giveBack undoes take, for a report that could not be delivered.
func (w *watch) giveBack(c *percpu.CPU, r report) *percpu.CPU {
	var ch change
	w.ep.mu.Lock(c)
	if !w.dead {
		if r.spent {
			w.spent = false
		}
		w.announce(c, &ch)
	}
	w.ep.mu.Unlock(c)
	return ch.end(c)
}

// prune takes w off the list if it has nothing to report, and reports whether it has.
//
// Context: as take.
func (w *watch) prune(c *percpu.CPU) (ready bool) {
	f, ep := w.file, w.ep
	f.mu.Lock(c)
	events := f.ready(c)
	ep.mu.Lock(c)
	if !w.dead && w.reporting.Linked() {
		if ready = w.events&events&eventBits != 0; !ready {
			w.unlist(c)
		}
	}
	ep.mu.Unlock(c)
	f.mu.Unlock(c)
	return ready
}

// release ends the work on a busy watch.
func (w *watch) release(c *percpu.CPU) {
	ep := w.ep
	ep.mu.Lock(c)
	w.busy--
	free := w.dead && w.busy == 0
	ep.mu.Unlock(c)
	if free {
		w.free(c)
	}
}
