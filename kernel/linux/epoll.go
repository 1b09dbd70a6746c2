package linux

import (
	"muster/kernel/atom"
	"muster/kernel/clock"
	"muster/kernel/list"
	"muster/kernel/lock"
	"muster/kernel/percpu"
	"muster/kernel/refs"
	"muster/kernel/tree"
)

// epoll is a set of watched files, and the list of the watches that may have events
// to report. References to it: one of its file, one of each watch that is linked to a
// watched file, and one while it is noted in a change. Locks: a file's comes before
// an epoll's.
type epoll struct {
	mu      lock.Spin
	refs    refs.Count
	file    *File     // the epoll's own, nil once it ends; guarded by mu, and without a reference
	watches tree.Tree // all, by file and descriptor; guarded by mu
	ready   list.List // those that may have events to report, guarded by mu
	nready  int       // watches in ready
	waiters waitList  // guarded by mu

	watched atom.Uint32 // 1: another epoll has watched this one
	noted   bool        // in a change, by note; guarded by mu
	note    list.Link
	seen    visit // by the search of nests
}

// newEpoll makes an epoll with one reference, nil when memory is exhausted.
func (t *Task) newEpoll(c *percpu.CPU) *epoll {
	if !t.proc.mayGrow(c) {
		return nil
	}
	ep := allocEpoll(c)
	if ep != nil {
		ep.init()
	}
	return ep
}

func (ep *epoll) init() {
	ep.mu.Rank = lock.RankEpoll
	ep.refs.Init()
}

// put gives up a reference to the epoll; the last one frees it.
func (ep *epoll) put(c *percpu.CPU) {
	if ep.refs.Put(c) {
		freeEpoll(c, ep)
	}
}

// isReady reports as an event whether a watch may have something to report.
func (ep *epoll) isReady(c *percpu.CPU) (events uint32) {
	ep.mu.Lock(c)
	if ep.nready > 0 {
		events = pollIn
	}
	ep.mu.Unlock(c)
	return events
}

// close ends an epoll whose file is ending. Files that end meanwhile are collected
// in e.
func (ep *epoll) close(c *percpu.CPU, e *endings) *percpu.CPU {
	ep.mu.Lock(c)
	ep.file = nil
	ep.mu.Unlock(c)
	c = ep.clear(c, e)
	ep.put(c)
	return c
}

// clear removes all watches of an epoll that no task uses any more. A file's lock
// comes before an epoll's, so clear takes a reference to the file first. If the file
// is ending, dropWatches of the file frees the watch, and clear only forgets it.
//
// Context: no lock held. Returns the CPU on which the task goes on.
func (ep *epoll) clear(c *percpu.CPU, e *endings) *percpu.CPU {
	for turn := 0; ; c = breatheEvery(c, &turn, 16) {
		ep.mu.Lock(c)
		w := watchOfEpoll(ep.watches.Root)
		if w == nil {
			ep.mu.Unlock(c)
			return c
		}
		f := w.file
		if !f.refs.TryGet() {
			w.leaveEpoll(c)
			ep.mu.Unlock(c)
			continue
		}
		ep.mu.Unlock(c)
		f.mu.Lock(c)
		ep.mu.Lock(c)
		w.unlink(c)
		ep.mu.Unlock(c)
		f.mu.Unlock(c)
		w.free(c)
		e.put(c, f)
	}
}

// collect reports up to limit events of the watches on the list, each checked once.
// A level-triggered watch goes to the end of the list while it has events.
//
// Context: no lock held. Returns the CPU on which the task goes on.
func (ep *epoll) collect(c *percpu.CPU, t *Task, out uintptr, limit uint64) (_ *percpu.CPU, n uint64, e Errno) {
	todo := -1
	for turn := 0; n < limit && todo != 0; c = breatheEvery(c, &turn, 16) {
		w := ep.next(c, &todo)
		if w == nil {
			continue
		}
		f := w.file
		if f.kind == kindEpoll {
			c = f.settle(c)
		}
		at := out + uintptr(n)*epollEventBytes
		if any, ok := w.takeNow(c, t, at); ok {
			if any {
				n++
			}
			c = f.put(c)
			continue
		}
		r := w.take(c)
		if r.events != 0 {
			if !t.Space.Store32(c, at, r.events) || !t.Space.Store64(c, at+4, r.data) {
				c = w.giveBack(c, r)
				e = EFAULT
			} else {
				n++
			}
		}
		w.release(c)
		c = f.put(c)
		if e != 0 {
			break
		}
	}
	if n > 0 {
		e = 0
	}
	return c, n, e
}

// epollEventBytes is the size of struct epoll_event, which is packed on x86-64.
const epollEventBytes = 12

// nextTries bounds how many watches of files that are ending next passes over.
const nextTries = 16

// next returns the first watch on the list, with a reference to its file, and keeps
// it from being freed. todo counts the watches that are still to be looked at; -1
// stands for all that are on the list now. nil with todo above 0 means: call next again.
func (ep *epoll) next(c *percpu.CPU, todo *int) (w *watch) {
	ep.mu.Lock(c)
	if *todo < 0 {
		*todo = ep.nready
	}
	for i := 0; i < nextTries && *todo > 0; i++ {
		*todo--
		w = watchReady(ep.ready.First())
		if w == nil {
			*todo = 0
			break
		}
		if w.file.refs.TryGet() {
			w.busy++
			break
		}
		w.unlist(c) // its file is about to remove it
		w = nil
	}
	ep.mu.Unlock(c)
	return w
}

// wait reports events, and waits until there are some, at most until a deadline. With
// poll it does not wait.
//
// Context: no lock held. Returns the CPU on which the task goes on.
func (ep *epoll) wait(c *percpu.CPU, t *Task, out uintptr, limit uint64, deadline clock.Time, poll bool) (_ *percpu.CPU, n uint64) {
	expired, waited := poll, false
	var e Errno
	for {
		c, n, e = ep.collect(c, t, out, limit)
		if e == 0 && n == 0 && !expired && t.interrupted() {
			e = EINTR
		}
		if e != 0 {
			n = errno(e)
		}
		if n != 0 || expired {
			break
		}
		waited = true
		ep.mu.Lock(c)
		if ep.nready == 0 {
			c, expired = ep.waiters.wait(c, t, &ep.mu, deadline)
		}
		ep.mu.Unlock(c)
	}
	if waited {
		ep.mu.Lock(c)
		if ep.nready > 0 {
			ep.waiters.wakeOne(c)
		}
		ep.mu.Unlock(c)
	}
	return c, n
}
