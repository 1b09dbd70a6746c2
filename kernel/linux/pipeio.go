package linux

import (
	"unsafe"

	"muster/kernel/layout"
	"muster/kernel/percpu"
	"muster/kernel/sched"
)

// pipeBuf is PIPE_BUF: a write of up to so many bytes is not mixed with others, and
// enters the pipe in one step, or not at all.
const pipeBuf = layout.PageSize

// readPipe takes the bytes that there are, as far as to has room; it waits while the pipe is empty. 0 means that the
// writing end is closed.
func (f *File) readPipe(c *percpu.CPU, t *Task, to *sink) (_ *percpu.CPU, r uint64) {
	p := f.pipe
	if c, r = p.readNow(c, t, to); r != 0 {
		return c, r
	}
	waited := false
	for to.left > 0 {
		// One task reads at a time, so that bytes come in order although the program's
		// memory, which may have to be brought in, is written without a spinlock.
		c = p.reading.Lock(c)
		c, r = p.take(c, t, to)
		p.reading.Unlock(c)
		if r != 0 {
			break
		}
		var e Errno
		p.mu.Lock(c)
		for e == 0 && p.ready(c, f) == 0 {
			waited = true
			c, e = f.wait(c, t)
		}
		ended := p.ring.bytes == 0
		p.mu.Unlock(c)
		if e != 0 {
			r = errno(e)
		}
		if e != 0 || ended {
			break
		}
	}
	if waited {
		p.mu.Lock(c)
		if p.ready(c, f) != 0 {
			f.waiters.wakeOne(c)
		}
		p.mu.Unlock(c)
	}
	return c, r
}

// take moves the bytes that are in the pipe now to the program, page by page, and
// returns their number, or an error. A page of which not all could be copied stays.
//
// Context: as one task reads at a time, what ring.first returns stays.
// Locks: p.reading held.
func (p *pipe) take(c *percpu.CPU, t *Task, to *sink) (_ *percpu.CPU, done uint64) {
	p.reading.AssertHeld(c)
	p.mu.Lock(c)
	limit := min(uint64(p.ring.bytes), to.left)
	from, n := p.ring.first(limit)
	p.taking = n > 0
	p.mu.Unlock(c)
	for n > 0 {
		ok := false
		if c, ok = to.put(c, t, from, uint64(n)); !ok {
			p.mu.Lock(c)
			p.taking = false
			p.mu.Unlock(c)
			if done == 0 {
				return c, errno(EFAULT)
			}
			break
		}
		done += uint64(n)
		if c, from, n = p.drop(c, n, limit-done); n > 0 {
			c = sched.Breathe(c)
		}
	}
	return c, done
}

// drop removes n bytes that were copied, and notifies the writing end if there is
// room again. It returns what ring.first returns for limit.
func (p *pipe) drop(c *percpu.CPU, n uint32, limit uint64) (_ *percpu.CPU, from unsafe.Pointer, next uint32) {
	var ch change
	p.mu.Lock(c)
	page := p.remove(c, n, &ch)
	from, next = p.ring.first(limit)
	p.taking = next > 0
	p.mu.Unlock(c)
	if page != 0 {
		freePage(c, page)
	}
	return ch.end(c), from, next
}

// remove is drop under the lock. It returns a page that is to be freed, or 0.
//
// Locks: p.mu held.
func (p *pipe) remove(c *percpu.CPU, n uint32, ch *change) (page uintptr) {
	p.mu.AssertHeld(c)
	wasFull := p.ring.full()
	if page = p.ring.drop(n); page != 0 {
		page = p.keep(c, page)
	}
	if w := p.ends[writeEnd]; wasFull && w != nil && !p.ring.full() {
		w.waiters.wakeOne(c)
		ch.begin(c, w, pollOut)
	}
	return page
}

// keep makes an empty page a spare one, or returns it to be freed.
//
// Locks: p.mu held.
func (p *pipe) keep(c *percpu.CPU, page uintptr) uintptr {
	p.mu.AssertHeld(c)
	if p.spared == spares {
		return page
	}
	p.spare[p.spared] = page
	p.spared++
	return 0
}

// writePipe puts the bytes of from in, and waits for room. Without a reader it fails, and
// the task gets SIGPIPE.
func (f *File) writePipe(c *percpu.CPU, t *Task, from *source) (_ *percpu.CPU, done uint64) {
	if c, done = f.writeNow(c, t, from); done != 0 {
		return c, done
	}
	w := pipeWrite{f: f}
	for from.left > 0 {
		c = w.step(c, t, from)
		if w.err != 0 {
			break
		}
		done += uint64(w.n)
		if from.left > 0 {
			c = sched.Breathe(c)
		}
	}
	c = w.leave(c)
	if w.err == EPIPE {
		t.raisePipe(c)
	}
	if done == 0 && w.err != 0 {
		return c, errno(w.err)
	}
	return c, done
}

// pipeWrite is one write to a pipe, in parts of up to a page.
type pipeWrite struct {
	f      *File
	n      uint32  // bytes of the present part
	page   uintptr // has them, or nothing
	later  bool    // the first part is in
	waited bool
	err    Errno
}

// step puts a part of the program's bytes in. The program's memory is read into
// a page of the kernel's before the pipe is locked.
func (w *pipeWrite) step(c *percpu.CPU, t *Task, from *source) *percpu.CPU {
	p := w.f.pipe
	p.mu.Lock(c)
	w.n = w.part(c, from.left)
	if c = w.room(c, t); w.err == 0 && w.page == 0 && p.spared > 0 {
		p.spared--
		w.page = p.spare[p.spared]
	}
	p.mu.Unlock(c)
	if w.err == 0 && w.page == 0 && t.proc.mayGrow(c) {
		w.page = allocPage(c)
	}
	if w.err != 0 {
		return c
	}
	if w.page == 0 {
		w.err = ENOMEM
		return c
	}
	c, ok := from.take(c, t, pageBytes(w.page)[:w.n])
	if !ok {
		w.err = EFAULT
		return c
	}
	var ch change
	p.mu.Lock(c)
	if c = w.room(c, t); w.err == 0 {
		w.put(c, &ch)
	}
	p.mu.Unlock(c)
	return ch.end(c)
}

// part returns how many of left bytes are put in next. Bytes beyond full pages come
// first, as in Linux, if they fit into the last page.
//
// Locks: w.f.pipe.mu held.
func (w *pipeWrite) part(c *percpu.CPU, left uint64) uint32 {
	w.f.pipe.mu.AssertHeld(c)
	p := w.f.pipe
	rest := uint32(left % pipeBuf)
	if !w.later && rest != 0 && p.ring.merges(rest) {
		return rest
	}
	return uint32(min(left, pipeBuf))
}

// room waits until the pipe has room for the part. A write to a full pipe notifies the
// epolls of the reader once more, as in Linux, where a program may count on it.
//
// Locks: w.f.pipe.mu held, dropped meanwhile.
func (w *pipeWrite) room(c *percpu.CPU, t *Task) *percpu.CPU {
	w.f.pipe.mu.AssertHeld(c)
	p := w.f.pipe
	told := false
	for {
		r := p.ends[readEnd]
		switch {
		case r == nil:
			w.err = EPIPE
			return c
		case p.ring.merges(w.n) || !p.ring.full():
			return c
		case !told && r.watches.Root != nil:
			told = true
			var ch change
			ch.begin(c, r, pollIn)
			p.mu.Unlock(c)
			c = ch.end(c)
			p.mu.Lock(c)
		default:
			w.waited = true
			if c, w.err = w.f.wait(c, t); w.err != 0 {
				return c
			}
		}
	}
}

// put adds the part to the ring, and wakes a reader if there was nothing to read.
//
// Locks: w.f.pipe.mu held.
func (w *pipeWrite) put(c *percpu.CPU, ch *change) {
	w.f.pipe.mu.AssertHeld(c)
	p := w.f.pipe
	r := p.ends[readEnd]
	if p.ring.bytes == 0 {
		r.waiters.wakeOne(c)
	}
	if _, kept := p.ring.put(w.page, w.n); kept {
		w.page = 0
	}
	w.later = true
	ch.begin(c, r, pollIn)
}

// leave ends the write: another writer that waits may go on.
func (w *pipeWrite) leave(c *percpu.CPU) *percpu.CPU {
	p := w.f.pipe
	if w.page == 0 && !w.waited {
		return c
	}
	p.mu.Lock(c)
	if w.page != 0 {
		w.page = p.keep(c, w.page)
	}
	if w.waited && p.ready(c, w.f) != 0 {
		w.f.waiters.wakeOne(c)
	}
	p.mu.Unlock(c)
	if w.page != 0 {
		freePage(c, w.page)
	}
	return c
}

// raisePipe sends the current task SIGPIPE. As on Linux the process itself is the sender.
//
// Locks: takes the lock of t's set.
func (t *Task) raisePipe(c *percpu.CPU) { send(c, t, SIGPIPE, fromKill) }
