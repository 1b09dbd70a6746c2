package linux

import (
	"muster/kernel/clock"
	"muster/kernel/cpu"
	"muster/kernel/percpu"
	"muster/kernel/sched"
)

// poll and select look at the files first. If nothing is ready, the task makes an
// epoll of its own for the time of the call, and waits in it for a change of any of
// the files. After each change it looks at all of them again.

// pollWait is the epoll of one call.
type pollWait struct {
	ep       *epoll // nil before the first wait
	deadline clock.Time
	expired  bool
	changed  bool // a descriptor was closed meanwhile: look again
}

// open makes the epoll before the first wait. fresh says that the files have to be
// added.
func (w *pollWait) open(c *percpu.CPU, t *Task) (fresh bool, e Errno) {
	if w.ep != nil {
		return false, 0
	}
	if w.ep = t.newEpoll(c); w.ep == nil {
		return false, ENOMEM
	}
	return true, 0
}

// add watches the file of a descriptor for events; number tells watches of one file
// apart.
func (w *pollWait) add(c *percpu.CPU, t *Task, fd, number uint64, events uint32) (*percpu.CPU, Errno) {
	f := t.proc.files.get(c, fd)
	if f == nil {
		w.changed = true
		return c, 0
	}
	e := ENOMEM
	if t.proc.mayGrow(c) {
		c, e = w.ep.control(c, f, &request{op: epollAdd, fd: number, events: events})
	}
	return f.put(c), e
}

// sleep waits for a change. A signal ends the call.
func (w *pollWait) sleep(c *percpu.CPU, t *Task) (*percpu.CPU, Errno) {
	if t.interrupted() {
		return c, EINTR
	}
	ep := w.ep
	ep.mu.Lock(c)
	if ep.nready == 0 && !w.changed {
		c, w.expired = ep.waiters.wait(c, t, &ep.mu, w.deadline)
	}
	w.changed = false
	for more := ep.unlist(c); more; more = ep.unlist(c) { // before the next look, so that no change is lost
		ep.mu.Unlock(c)
		c = sched.Breathe(c)
		ep.mu.Lock(c)
	}
	ep.mu.Unlock(c)
	return c, 0
}

// unlist takes some watches off the list, and reports whether more are left.
//
// Locks: ep.mu held.
func (ep *epoll) unlist(c *percpu.CPU) (more bool) {
	ep.mu.AssertHeld(c)
	for i := 0; i < changeStep && ep.nready > 0; i++ {
		watchReady(ep.ready.First()).unlist(c)
	}
	return ep.nready > 0
}

// close ends the epoll.
func (w *pollWait) close(c *percpu.CPU) *percpu.CPU {
	if w.ep == nil {
		return c
	}
	var dying endings
	c = w.ep.clear(c, &dying)
	w.ep.put(c)
	return dying.finish(c)
}

// pollBytes is the size of struct pollfd: the descriptor, and 16 bits each of events
// that are requested and that have come.
const pollBytes = 8

func sysPoll(c *percpu.CPU, t *Task, fr *cpu.Frame) (*percpu.CPU, uint64) {
	return pollMS(c, t, uintptr(fr.DI), uintArg(fr.SI), deadlineMS(fr.DX), int32(fr.DX) == 0)
}

// pollMS is poll, which goes on to its deadline after a signal without a handler.
func pollMS(c *percpu.CPU, t *Task, fds uintptr, n uint64, deadline clock.Time, now bool) (*percpu.CPU, uint64) {
	c, r := poll(c, t, fds, n, deadline, now)
	if r == errno(EINTR) {
		t.again.block = block{kind: blockPoll, until: deadline, addr: fds, want: uint32(n)}
		r = errno(eRestartBlock)
	}
	return c, r
}

func sysPpoll(c *percpu.CPU, t *Task, fr *cpu.Frame) (*percpu.CPU, uint64) {
	limit, e := t.limitAt(c, uintptr(fr.DX), 1e9)
	if e == 0 {
		e = t.useMask(c, uintptr(fr.R10), fr.R8)
	}
	if e != 0 {
		return c, errno(e)
	}
	c, r := poll(c, t, uintptr(fr.DI), uintArg(fr.SI), limit.until, limit.now)
	t.restoreMask(c, r)
	return c, limit.finish(c, t, r)
}

// poll returns how many of n descriptors have events, and waits for the first until a
// deadline. EINTR stands for the code of a restart, which the caller chooses.
func poll(c *percpu.CPU, t *Task, fds uintptr, n uint64, deadline clock.Time, now bool) (*percpu.CPU, uint64) {
	if n > maxFiles {
		return c, errno(EINVAL)
	}
	w := pollWait{deadline: deadline, expired: now}
	count, e := uint64(0), Errno(0)
	for {
		c, count, e = pollLook(c, t, fds, n)
		if e == 0 && count == 0 && t.interrupted() {
			e = EINTR // also without a wait: the mask of ppoll may let a signal in
		}
		if e != 0 || count > 0 || w.expired {
			break
		}
		var fresh bool
		if fresh, e = w.open(c, t); fresh {
			c, e = w.addAll(c, t, fds, n)
		}
		if e == 0 {
			c, e = w.sleep(c, t)
		}
		if e != 0 {
			break
		}
	}
	c = w.close(c)
	if e != 0 {
		return c, errno(e)
	}
	return c, count
}

// pollLook stores what holds now for each descriptor, and counts those with events.
func pollLook(c *percpu.CPU, t *Task, fds uintptr, n uint64) (_ *percpu.CPU, count uint64, e Errno) {
	turn := 0
	for i := range n {
		at := fds + uintptr(i)*pollBytes
		v, ok := t.Space.Load64(c, at)
		if !ok {
			return c, 0, EFAULT
		}
		events := uint32(0)
		if int32(v) >= 0 {
			c, events = t.eventsOf(c, v&(1<<32-1), uint32(v>>32)&eventBits|epollAlways)
		}
		if events != 0 {
			count++
		}
		come := uint16(events)
		if !t.Space.CopyOut(c, at+6, ptrTo(&come), 2) {
			return c, 0, EFAULT
		}
		c = breatheEvery(c, &turn, 16)
	}
	return c, count, 0
}

// eventsOf returns which of some events of a descriptor hold now.
func (t *Task) eventsOf(c *percpu.CPU, fd uint64, requested uint32) (*percpu.CPU, uint32) {
	f := t.proc.files.get(c, fd)
	if f == nil {
		return c, pollNval
	}
	c, events := f.poll(c)
	return f.put(c), events & requested
}

// addAll watches all descriptors of a poll.
func (w *pollWait) addAll(c *percpu.CPU, t *Task, fds uintptr, n uint64) (*percpu.CPU, Errno) {
	turn := 0
	for i := range n {
		v, ok := t.Space.Load64(c, fds+uintptr(i)*pollBytes)
		if !ok {
			return c, EFAULT
		}
		if int32(v) >= 0 {
			var e Errno
			if c, e = w.add(c, t, v&(1<<32-1), i, uint32(v>>32)&eventBits); e != 0 {
				return c, e
			}
		}
		c = breatheEvery(c, &turn, 16)
	}
	return c, 0
}
