package linux

import (
	"unsafe"

	"muster/kernel/clock"
	"muster/kernel/cpu"
	"muster/kernel/list"
	"muster/kernel/lock"
	"muster/kernel/percpu"
)

// epoll is a set of watched files, and the list of the watches with events to
// report.
type epoll struct {
	mu      lock.Spin
	watches list.List // all, guarded by mu
	ready   list.List // those with events to report, guarded by mu
	waiters waitList  // guarded by mu
}

// watch is one file in an epoll.
type watch struct {
	ep      *epoll
	file    *File
	fd      uint64
	ofFile  list.Node // in file.watches, guarded by file.mu
	ofEpoll list.Node // in ep.watches, guarded by ep.mu

	events    uint32 // requested, guarded by ep.mu
	data      uint64
	reporting list.Node // in ep.ready, guarded by ep.mu
	busy      uint32    // collectors that use it; guarded by ep.mu
	dead      bool      // unlinked while busy: the last collector frees it
}

// Events and flags of epoll_ctl.
const (
	epollIn      = 0x001
	epollOut     = 0x004
	epollErr     = 0x008
	epollHup     = 0x010
	epollOneshot = 1 << 30
	epollEdge    = 1 << 31
	epollAlways  = epollErr | epollHup

	epollAdd = 1
	epollDel = 2
	epollMod = 3
)

// trigger puts a watch on its epoll's list if the watch requests one of events.
//
// Locks: w.file.mu held.
func (w *watch) trigger(c *percpu.CPU, events uint32) {
	w.file.mu.AssertHeld(c)
	w.ep.mu.Lock(c)
	if (w.events|epollAlways)&events&0xffff != 0 && w.events&0xffff != 0 {
		w.list(c)
		w.ep.waiters.wakeAll(c)
	}
	w.ep.mu.Unlock(c)
}

// list appends w to the list of its epoll.
//
// Locks: w.ep.mu held.
func (w *watch) list(c *percpu.CPU) {
	w.ep.mu.AssertHeld(c)
	if !w.reporting.Linked() {
		w.ep.ready.Push(&w.reporting)
	}
}

// watchOfFile, watchOfEpoll and watchReady return the watch of a node in File.watches,
// epoll.watches and epoll.ready.
func watchOfFile(n *list.Node) *watch { return watchAt(n, unsafe.Offsetof(watch{}.ofFile)) }

func watchOfEpoll(n *list.Node) *watch { return watchAt(n, unsafe.Offsetof(watch{}.ofEpoll)) }

func watchReady(n *list.Node) *watch { return watchAt(n, unsafe.Offsetof(watch{}.reporting)) }

// watchAt returns the watch whose node at an offset is n, nil for nil.
func watchAt(n *list.Node, offset uintptr) *watch {
	if n == nil {
		return nil
	}
	return (*watch)(unsafe.Add(unsafe.Pointer(n), -int(offset)))
}

func sysEpollCreate(c *percpu.CPU, t *Task, fr *cpu.Frame) (*percpu.CPU, uint64) {
	if int32(fr.DI) <= 0 {
		return c, errno(EINVAL)
	}
	return c, t.open(c, t.newFile(c, kindEpoll))
}

func sysEpollCreate1(c *percpu.CPU, t *Task, fr *cpu.Frame) (*percpu.CPU, uint64) {
	if fr.DI&^oCloexec != 0 {
		return c, errno(EINVAL)
	}
	return c, t.open(c, t.newFile(c, kindEpoll))
}

func sysEpollCtl(c *percpu.CPU, t *Task, fr *cpu.Frame) (*percpu.CPU, uint64) {
	var events uint32
	var data uint64
	if fr.SI != epollDel {
		var ok, ok2 bool
		events, ok = t.Space.Load32(c, uintptr(fr.R10))
		if data, ok2 = t.Space.Load64(c, uintptr(fr.R10)+4); !ok || !ok2 {
			return c, errno(EFAULT)
		}
	}
	ef := t.proc.files.get(c, fr.DI)
	f := t.proc.files.get(c, fr.DX)
	r := errno(EBADF)
	if ef != nil && f != nil {
		switch {
		case ef.kind != kindEpoll || ef == f:
			r = errno(EINVAL)
		case f.kind == kindConsole || f.kind == kindEpoll:
			r = errno(EPERM) // the file cannot be watched
		case fr.SI == epollAdd && !t.proc.mayGrow(c):
			r = errno(ENOMEM)
		default:
			r = ef.epoll.control(c, f, fr.SI, fr.DX, events, data)
		}
	}
	if ef != nil {
		ef.put(c)
	}
	if f != nil {
		f.put(c)
	}
	return c, r
}

// control adds, changes or removes the watch of f under a descriptor.
func (ep *epoll) control(c *percpu.CPU, f *File, op, fd uint64, events uint32, data uint64) uint64 {
	var fresh *watch
	if op == epollAdd {
		if fresh = (*watch)(watchCache.Alloc(c)); fresh == nil {
			return errno(ENOMEM)
		}
	}
	f.mu.Lock(c)
	ready := f.ready(c)
	ep.mu.Lock(c)
	w := ep.find(c, f, fd)
	r := uint64(0)
	switch {
	case op == epollAdd && w != nil:
		r = errno(EEXIST)
	case op == epollAdd:
		w, fresh = fresh, nil
		w.ep, w.file, w.fd = ep, f, fd
		w.events, w.data = events, data
		f.watches.Push(&w.ofFile)
		ep.watches.Push(&w.ofEpoll)
	case w == nil && (op == epollDel || op == epollMod):
		r = errno(ENOENT)
	case op == epollMod:
		w.events, w.data = events, data
	case op == epollDel:
		if w.unlink(c) {
			fresh = w
		}
		w = nil
	default:
		r = errno(EINVAL)
	}
	if r == 0 && w != nil && (w.events|epollAlways)&ready&0xffff != 0 {
		w.list(c)
		ep.waiters.wakeAll(c)
	}
	ep.mu.Unlock(c)
	f.mu.Unlock(c)
	if fresh != nil {
		watchCache.Free(c, unsafe.Pointer(fresh))
	}
	return r
}

// find returns the watch of f under a descriptor, nil if there is no such watch.
//
// Locks: ep.mu held.
func (ep *epoll) find(c *percpu.CPU, f *File, fd uint64) *watch {
	ep.mu.AssertHeld(c)
	for n := ep.watches.First(); n != nil; n = ep.watches.Next(n) {
		if w := watchOfEpoll(n); w.file == f && w.fd == fd {
			return w
		}
	}
	return nil
}

// unlink takes w out of its file and its epoll. It reports whether the caller must
// free it.
//
// Locks: w.file.mu and w.ep.mu held.
func (w *watch) unlink(c *percpu.CPU) (free bool) {
	w.file.mu.AssertHeld(c)
	w.ep.mu.AssertHeld(c)
	if w.reporting.Linked() {
		w.ep.ready.Remove(&w.reporting)
	}
	w.file.watches.Remove(&w.ofFile)
	w.ep.watches.Remove(&w.ofEpoll)
	w.dead = true
	return w.busy == 0
}

// dropWatches removes a file that is being freed from the epolls that watch it.
//
// Context: f has no reference left.
func (f *File) dropWatches(c *percpu.CPU) {
	for {
		free := false
		f.mu.Lock(c)
		w := watchOfFile(f.watches.First())
		if w != nil {
			ep := w.ep
			ep.mu.Lock(c)
			free = w.unlink(c)
			ep.mu.Unlock(c)
		}
		f.mu.Unlock(c)
		if w == nil {
			return
		}
		if free {
			watchCache.Free(c, unsafe.Pointer(w))
		}
	}
}

// clear removes all watches of an epoll that is being freed. A file's lock comes
// before an epoll's, so clear finds the file first and checks the watch again.
func (ep *epoll) clear(c *percpu.CPU) {
	for {
		ep.mu.Lock(c)
		w := watchOfEpoll(ep.watches.First())
		var f *File
		if w != nil {
			f = w.file
			f.refs.Add(1)
		}
		ep.mu.Unlock(c)
		if w == nil {
			return
		}
		f.mu.Lock(c)
		ep.mu.Lock(c)
		free := ep.watches.First() == &w.ofEpoll && w.unlink(c)
		ep.mu.Unlock(c)
		f.mu.Unlock(c)
		if free {
			watchCache.Free(c, unsafe.Pointer(w))
		}
		f.put(c)
	}
}

func sysEpollWait(c *percpu.CPU, t *Task, fr *cpu.Frame) (*percpu.CPU, uint64) {
	return epollWait(c, t, fr)
}

// sysEpollPwait ignores the signal mask: Go passes none.
func sysEpollPwait(c *percpu.CPU, t *Task, fr *cpu.Frame) (*percpu.CPU, uint64) {
	if fr.R8 != 0 {
		return c, errno(EINVAL)
	}
	return epollWait(c, t, fr)
}

// epollWait waits for events, at most fr.R10 milliseconds, and reports up to fr.DX.
func epollWait(c *percpu.CPU, t *Task, fr *cpu.Frame) (*percpu.CPU, uint64) {
	if int32(fr.DX) <= 0 {
		return c, errno(EINVAL)
	}
	ef := t.proc.files.get(c, fr.DI)
	if ef == nil {
		return c, errno(EBADF)
	}
	r := errno(EINVAL)
	if ef.kind == kindEpoll {
		deadline := clock.Never
		if ms := int32(fr.R10); ms >= 0 {
			deadline = clock.Now() + clock.Time(ms)*clock.Millisecond
		}
		c, r = ef.epoll.wait(c, t, uintptr(fr.SI), fr.DX, deadline, int32(fr.R10) == 0)
	}
	ef.put(c)
	return c, r
}

func (ep *epoll) wait(c *percpu.CPU, t *Task, out uintptr, limit uint64, deadline clock.Time, poll bool) (*percpu.CPU, uint64) {
	expired := poll
	for {
		n, e := ep.collect(c, t, out, limit)
		switch {
		case e != 0:
			return c, errno(e)
		case n > 0 || expired:
			return c, n
		case t.interrupted():
			return c, errno(EINTR)
		}
		ep.mu.Lock(c)
		if ep.ready.First() == nil {
			c, expired = ep.waiters.wait(c, t, &ep.mu, deadline)
		}
		ep.mu.Unlock(c)
	}
}

// collect reports the events of the watches on the list, each checked once. A
// level-triggered watch goes back to the end of the list while it has events. It is
// long because what one lock guards is needed under the next: the reference and the
// mark of a watch are taken and given back here.
func (ep *epoll) collect(c *percpu.CPU, t *Task, out uintptr, limit uint64) (n uint64, e Errno) {
	ep.mu.Lock(c)
	stop := watchReady(ep.ready.Last())
	for n < limit {
		w := watchReady(ep.ready.Pop())
		if w == nil {
			break
		}
		f := w.file
		f.refs.Add(1) // w is listed, so f still exists
		w.busy++      // w is not freed meanwhile
		atEnd := w == stop
		data, wanted := w.data, w.events
		ep.mu.Unlock(c)

		f.mu.Lock(c)
		events := (wanted | epollAlways) & f.ready(c) & 0xffff
		ep.mu.Lock(c)
		w.busy--
		free := w.dead && w.busy == 0
		if w.dead {
			events = 0
		}
		if events != 0 {
			if wanted&epollOneshot != 0 {
				w.events = 0
			} else if wanted&epollEdge == 0 {
				w.list(c)
			}
		}
		ep.mu.Unlock(c)
		f.mu.Unlock(c)
		f.put(c)
		if free {
			watchCache.Free(c, unsafe.Pointer(w))
		}
		if events != 0 {
			at := out + uintptr(n)*12
			if !t.Space.Store32(c, at, events) || !t.Space.Store64(c, at+4, data) {
				return n, EFAULT
			}
			n++
		}
		ep.mu.Lock(c)
		if atEnd {
			break
		}
	}
	ep.mu.Unlock(c)
	return n, 0
}
