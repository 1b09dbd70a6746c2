package linux

import (
	"muster/kernel/clock"
	"muster/kernel/cpu"
	"muster/kernel/percpu"
)

// Operations of epoll_ctl.
const (
	epollAdd = 1
	epollDel = 2
	epollMod = 3
)

func sysEpollCreate(c *percpu.CPU, t *Task, fr *cpu.Frame) (*percpu.CPU, uint64) {
	if int32(fr.DI) <= 0 {
		return c, errno(EINVAL)
	}
	return makeEpoll(c, t, 0)
}

func sysEpollCreate1(c *percpu.CPU, t *Task, fr *cpu.Frame) (*percpu.CPU, uint64) {
	return makeEpoll(c, t, uintArg(fr.DI))
}

func makeEpoll(c *percpu.CPU, t *Task, flags uint64) (*percpu.CPU, uint64) {
	if flags&^oCloexec != 0 {
		return c, errno(EINVAL)
	}
	ep := t.newEpoll(c)
	if ep == nil {
		return c, errno(ENOMEM)
	}
	f := t.newFile(c, kindEpoll)
	if f == nil {
		ep.put(c)
		return c, errno(ENOMEM)
	}
	f.epoll, ep.file = ep, f
	return t.open(c, f, flags&oCloexec != 0)
}

// request is what epoll_ctl is to do.
type request struct {
	op, fd uint64
	events uint32
	data   uint64
}

func sysEpollCtl(c *percpu.CPU, t *Task, fr *cpu.Frame) (*percpu.CPU, uint64) {
	q := request{op: uintArg(fr.SI), fd: uintArg(fr.DX)}
	if q.op != epollDel {
		var ok, ok2 bool
		q.events, ok = t.Space.Load32(c, uintptr(fr.R10))
		if q.data, ok2 = t.Space.Load64(c, uintptr(fr.R10)+4); !ok || !ok2 {
			return c, errno(EFAULT)
		}
	}
	ef := t.proc.files.get(c, fr.DI)
	if ef == nil {
		return c, errno(EBADF)
	}
	f := t.proc.files.get(c, fr.DX)
	if f == nil {
		return ef.put(c), errno(EBADF)
	}
	c, r := control(c, t, ef, f, &q)
	c = f.put(c)
	return ef.put(c), r
}

// exclusiveBits are what a watch with epollExclusive may request. Several epolls that
// watch one file so are all notified, which the flag allows.
const exclusiveBits = epollIn | epollOut | epollErr | epollHup | epollWakeup | epollEdge | epollExclusive

// control checks a request of epoll_ctl and does it.
func control(c *percpu.CPU, t *Task, ef, f *File, q *request) (*percpu.CPU, uint64) {
	switch {
	case ef == f || ef.kind != kindEpoll:
		return c, errno(EINVAL)
	case q.op != epollDel && q.events&epollExclusive != 0 &&
		(q.op != epollAdd || f.kind == kindEpoll || q.events&^exclusiveBits != 0):
		return c, errno(EINVAL)
	case q.op == epollAdd && !t.proc.mayGrow(c):
		return c, errno(ENOMEM)
	case q.op != epollAdd || f.kind != kindEpoll:
		c, e := ef.epoll.control(c, f, q)
		return c, errno(e)
	}
	c = nesting.Lock(c)
	c, ok := mayNest(c, ef, f)
	e := ELOOP
	if ok {
		c, e = ef.epoll.control(c, f, q)
	}
	nesting.Unlock(c)
	return c, errno(e)
}

// newWatch makes the watch that a request describes, which nothing can find yet; nil when
// memory is exhausted.
func newWatch(c *percpu.CPU, ep *epoll, f *File, q *request) *watch {
	w := allocWatch(c)
	if w != nil {
		w.ep, w.file, w.fd = ep, f, q.fd
		w.events, w.data = q.events|epollAlways, q.data
	}
	return w
}

// control adds, changes or removes the watch of f under a descriptor. A watch is
// complete before it is linked, and unlinked before it is freed. The cases are in one
// function, because the locks of the file and of the epoll are held over all of them.
//
// Context: no lock held. Returns the CPU on which the task goes on.
func (ep *epoll) control(c *percpu.CPU, f *File, q *request) (_ *percpu.CPU, e Errno) {
	var fresh, gone *watch
	if q.op == epollAdd {
		if fresh = newWatch(c, ep, f, q); fresh == nil {
			return c, ENOMEM
		}
	}
	if f.kind == kindEpoll {
		f.epoll.watched.Store(1) // before the watch is there, so that no note is missed
	}
	c = f.settle(c)
	var ch change
	f.mu.Lock(c)
	ready := f.ready(c)
	ep.mu.Lock(c)
	w := ep.find(c, f, q.fd)
	switch {
	case q.op == epollAdd && w != nil:
		e = EEXIST
	case q.op == epollAdd:
		w, fresh = fresh, nil
		w.link(c)
	case q.op != epollDel && q.op != epollMod:
		e = EINVAL
	case w == nil:
		e = ENOENT
	case q.op == epollMod && w.events&epollExclusive != 0:
		e = EINVAL
	case q.op == epollMod:
		w.events, w.data, w.spent = q.events|epollAlways, q.data, false
	default:
		if w.unlink(c) {
			gone = w
		}
		w = nil
	}
	if e == 0 && w != nil && w.events&ready&eventBits != 0 {
		w.announce(c, &ch)
	}
	ep.mu.Unlock(c)
	f.mu.Unlock(c)
	if fresh != nil {
		freeWatch(c, fresh)
	}
	if gone != nil {
		gone.free(c)
	}
	return ch.end(c), e
}

func sysEpollWait(c *percpu.CPU, t *Task, fr *cpu.Frame) (*percpu.CPU, uint64) {
	return epollWait(c, t, fr, deadlineMS(fr.R10), int32(fr.R10) == 0)
}

// sysEpollPwait has another signal mask during the call.
func sysEpollPwait(c *percpu.CPU, t *Task, fr *cpu.Frame) (*percpu.CPU, uint64) {
	if e := t.useMask(c, uintptr(fr.R8), fr.R9); e != 0 {
		return c, errno(e)
	}
	c, r := epollWait(c, t, fr, deadlineMS(fr.R10), int32(fr.R10) == 0)
	t.restoreMask(c, r)
	return c, r
}

// sysEpollPwait2 takes the time in nanoseconds.
func sysEpollPwait2(c *percpu.CPU, t *Task, fr *cpu.Frame) (*percpu.CPU, uint64) {
	limit, e := t.limitAt(c, uintptr(fr.R10), 1e9)
	if e == 0 {
		e = t.useMask(c, uintptr(fr.R8), fr.R9)
	}
	if e != 0 {
		return c, errno(e)
	}
	c, r := epollWait(c, t, fr, limit.until, limit.now)
	t.restoreMask(c, r)
	return c, r
}

// deadlineMS returns the end of a wait of some milliseconds, which is an int; a
// negative one never ends. 0 is no wait, and has no end.
func deadlineMS(ms uint64) clock.Time {
	switch {
	case int32(ms) < 0:
		return clock.Never
	case int32(ms) == 0:
		return 0
	}
	return clock.Now() + clock.Time(int32(ms))*clock.Millisecond
}

// maxEvents bounds the third argument of epoll_wait.
const maxEvents = (1<<31 - 1) / epollEventBytes

// epollWait waits for events until a deadline, and reports up to fr.DX; with poll it
// does not wait.
func epollWait(c *percpu.CPU, t *Task, fr *cpu.Frame, deadline clock.Time, poll bool) (*percpu.CPU, uint64) {
	n := int32(fr.DX)
	switch {
	case n <= 0 || n > maxEvents:
		return c, errno(EINVAL)
	case !t.mayHold(uintptr(fr.SI), uint64(n)*epollEventBytes):
		return c, errno(EFAULT)
	}
	ef := t.proc.files.get(c, fr.DI)
	if ef == nil {
		return c, errno(EBADF)
	}
	r := errno(EINVAL)
	if ef.kind == kindEpoll {
		c, r = ef.epoll.wait(c, t, uintptr(fr.SI), uintArg(fr.DX), deadline, poll)
	}
	return ef.put(c), r
}
