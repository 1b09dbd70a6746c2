package linux

import (
	"unsafe"

	"muster/kernel/cpu"
	"muster/kernel/lock"
	"muster/kernel/percpu"
	"muster/kernel/refs"
	"muster/kernel/sched"
)

// pipe is what two open files, its ends, share. Each end has a reference to it.
type pipe struct {
	mu      lock.Spin // of both ends, too
	refs    refs.Count
	ends    [2]*File // nil: closed; guarded by mu, and without a reference
	ring    ring     // guarded by mu
	spare   [spares]uintptr
	spared  int         // pages in spare; guarded by mu
	reading sched.Mutex // held while a task takes bytes out
	taking  bool        // that task copies the first bytes to a program now; guarded by mu
}

// spares is the number of empty pages that a pipe keeps, so that a write and a read
// in turn allocate nothing.
const spares = 2

// Indexes of ends.
const (
	readEnd  = 0
	writeEnd = 1
)

// end returns the index of an end.
func (f *File) end() int { return int(f.kind - kindPipeRead) }

// newPipe makes a pipe and its ends, which are not open yet, nil when memory is
// exhausted.
func (t *Task) newPipe(c *percpu.CPU, flags uint32) *pipe {
	if !t.proc.mayGrow(c) {
		return nil
	}
	p := allocPipe(c)
	r, w := t.newFile(c, kindPipeRead), t.newFile(c, kindPipeWrite)
	if p == nil || r == nil || w == nil {
		if p != nil {
			freePipe(c, p)
		}
		if r != nil {
			freeFile(c, r)
		}
		if w != nil {
			freeFile(c, w)
		}
		return nil
	}
	p.init(c, r, w)
	r.flags.Store(flags)
	w.flags.Store(flags)
	return p
}

func (p *pipe) init(c *percpu.CPU, r, w *File) {
	p.mu.Rank = lock.RankFile
	p.reading.Init()
	p.ring.init()
	p.refs.Init() // of r
	p.refs.Get(c) // of w
	p.ends = [2]*File{r, w}
	r.pipe, r.mu = p, &p.mu
	w.pipe, w.mu = p, &p.mu
}

// closeEnd withdraws one end and notifies the other. The second call frees the pipe.
// Files that end meanwhile are collected in e.
func (p *pipe) closeEnd(c *percpu.CPU, f *File, e *endings) *percpu.CPU {
	var ch change
	p.mu.Lock(c)
	p.ends[f.end()] = nil
	if other := p.ends[1-f.end()]; other != nil {
		other.waiters.wakeOne(c)
		if other.end() == readEnd {
			ch.begin(c, other, pollIn|epollErr|epollHup)
		} else {
			ch.begin(c, other, pollOut|epollErr|epollHup)
		}
	}
	p.mu.Unlock(c)
	c = ch.run(c)
	e.join(&ch.dying)
	if p.refs.Put(c) {
		c = p.free(c)
	}
	return c
}

// free frees the memory of a pipe without ends.
func (p *pipe) free(c *percpu.CPU) *percpu.CPU {
	for turn := 0; p.ring.used > 0; c = breatheEvery(c, &turn, 16) {
		_, n := p.ring.first(^uint64(0))
		freePage(c, p.ring.drop(n))
	}
	for ; p.spared > 0; p.spared-- {
		freePage(c, p.spare[p.spared-1])
	}
	p.freePlaces(c, p.ring.places)
	freePipe(c, p)
	return c
}

// freePlaces frees a ring's places, unless they are part of the pipe.
func (p *pipe) freePlaces(c *percpu.CPU, places *[maxPlaces]place) {
	if unsafe.Pointer(places) != unsafe.Pointer(&p.ring.few) {
		freePage(c, uintptr(unsafe.Pointer(places)))
	}
}

// ready returns the epoll events of an end.
//
// Locks: p.mu held.
func (p *pipe) ready(c *percpu.CPU, f *File) (events uint32) {
	p.mu.AssertHeld(c)
	open := p.ends[1-f.end()] != nil
	switch {
	case f.end() == readEnd:
		if p.ring.bytes > 0 {
			events = pollIn
		}
		if !open {
			events |= epollHup
		}
	default:
		if !p.ring.full() {
			events = pollOut
		}
		if !open {
			events |= epollErr
		}
	}
	return events
}

func sysPipe2(c *percpu.CPU, t *Task, fr *cpu.Frame) (*percpu.CPU, uint64) {
	return makePipe(c, t, uintptr(fr.DI), uintArg(fr.SI))
}

func sysPipe(c *percpu.CPU, t *Task, fr *cpu.Frame) (*percpu.CPU, uint64) {
	return makePipe(c, t, uintptr(fr.DI), 0)
}

// makePipe publishes both ends last: while the program's memory is written, their
// descriptors are only reserved.
func makePipe(c *percpu.CPU, t *Task, out uintptr, flags uint64) (*percpu.CPU, uint64) {
	if flags&^(oNonblock|oCloexec) != 0 {
		return c, errno(EINVAL)
	}
	p := t.newPipe(c, uint32(flags&oNonblock))
	if p == nil {
		return c, errno(ENOMEM)
	}
	r, w := p.ends[readEnd], p.ends[writeEnd]
	ft := &t.proc.files
	rfd, wfd, e := ft.reservePair(c)
	if e == 0 && !t.Space.Store64(c, out, rfd|wfd<<32) {
		ft.cancel(c, rfd)
		ft.cancel(c, wfd)
		e = EFAULT
	}
	if e != 0 {
		c = r.put(c)
		return w.put(c), errno(e)
	}
	ft.publish(rfd, r, flags&oCloexec != 0)
	ft.publish(wfd, w, flags&oCloexec != 0)
	return c, 0
}
