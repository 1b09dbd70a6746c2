package linux

import (
	"unsafe"

	"muster/kernel/cpu"
	"muster/kernel/layout"
	"muster/kernel/lock"
	"muster/kernel/mem"
	"muster/kernel/percpu"
	"muster/kernel/sched"
)

// pipe is a ring of bytes between two open files, its ends. Both files exist until
// both ends are closed.
type pipe struct {
	read, write File
	mu          lock.Spin // taken inside a File's
	buf         *[pipeSize]byte
	head, count uint32  // guarded by mu
	open        [2]bool // by kind: kindPipeRead, kindPipeWrite; guarded by mu
}

// pipeSize is the number of bytes that a pipe holds: a write of up to one page is
// one step.
const pipeSize = layout.PageSize

var pipeCache mem.Cache

// end returns the index of an end in open.
func (f *File) end() int { return int(f.kind - kindPipeRead) }

func newPipe(c *percpu.CPU, flags uint32) *pipe {
	p := (*pipe)(pipeCache.Alloc(c))
	if p == nil {
		return nil
	}
	page, ok := mem.AllocFrame(c)
	if !ok {
		pipeCache.Free(c, unsafe.Pointer(p))
		return nil
	}
	p.buf = (*[pipeSize]byte)(unsafe.Pointer(mem.Direct(page)))
	p.mu.Rank = lock.RankPipe
	p.open = [2]bool{true, true}
	p.read.init(kindPipeRead)
	p.write.init(kindPipeWrite)
	p.read.pipe, p.write.pipe = p, p
	p.read.flags.Store(flags)
	p.write.flags.Store(flags)
	return p
}

// closeEnd closes one end and notifies the other. The second call frees the pipe.
func (p *pipe) closeEnd(c *percpu.CPU, f *File) {
	p.mu.Lock(c)
	p.open[f.end()] = false
	other := p.other(f)
	last := !p.open[other.end()]
	p.mu.Unlock(c)
	if last {
		mem.FreeFrame(c, mem.DirectPhys(uintptr(unsafe.Pointer(p.buf))))
		pipeCache.Free(c, unsafe.Pointer(p))
		return
	}
	other.mu.Lock(c)
	other.changed(c)
	other.mu.Unlock(c)
}

func (p *pipe) other(f *File) *File {
	if f.kind == kindPipeRead {
		return &p.write
	}
	return &p.read
}

// state returns the number of bytes in the pipe, and whether the end other than f is open.
func (p *pipe) state(c *percpu.CPU, f *File) (count uint32, open bool) {
	p.mu.Lock(c)
	count, open = p.count, p.open[p.other(f).end()]
	p.mu.Unlock(c)
	return count, open
}

func sysPipe2(c *percpu.CPU, t *Task, fr *cpu.Frame) (*percpu.CPU, uint64) {
	if fr.SI&^(oNonblock|oCloexec) != 0 {
		return c, errno(EINVAL)
	}
	return makePipe(c, t, uintptr(fr.DI), uint32(fr.SI&oNonblock))
}

func sysPipe(c *percpu.CPU, t *Task, fr *cpu.Frame) (*percpu.CPU, uint64) {
	return makePipe(c, t, uintptr(fr.DI), 0)
}

func makePipe(c *percpu.CPU, t *Task, out uintptr, flags uint32) (*percpu.CPU, uint64) {
	var p *pipe
	if t.proc.mayGrow(c) {
		p = newPipe(c, flags)
	}
	if p == nil {
		return c, errno(ENOMEM)
	}
	ft := &t.proc.files
	r, ok := ft.install(c, &p.read, 0)
	w, ok2 := ft.install(c, &p.write, 0)
	e := Errno(0)
	switch {
	case !ok || !ok2:
		e = EMFILE
	case !t.Space.Store32(c, out, uint32(r)) || !t.Space.Store32(c, out+4, uint32(w)):
		e = EFAULT
	default:
		return c, 0
	}
	if ok {
		ft.remove(c, r)
	}
	if ok2 {
		ft.remove(c, w)
	}
	p.read.put(c)
	p.write.put(c)
	return c, errno(e)
}

// pipeChunk is the number of bytes that are copied at a time, through the kernel
// stack.
const pipeChunk = 512

// readPipe takes up to n bytes; it waits while the pipe is empty.
func (f *File) readPipe(c *percpu.CPU, t *Task, to uintptr, n uint64) (*percpu.CPU, uint64) {
	if n == 0 {
		return c, 0
	}
	c, e := f.await(c, t)
	if e != 0 {
		return c, errno(e)
	}
	p := f.pipe
	var buf [pipeChunk]byte
	done := uint64(0)
	for done < n {
		p.mu.Lock(c)
		k := min(uint32(min(n-done, pipeChunk)), p.count)
		for i := range k {
			buf[i] = p.buf[(p.head+i)%pipeSize]
		}
		p.head = (p.head + k) % pipeSize
		p.count -= k
		p.mu.Unlock(c)
		if k == 0 {
			break
		}
		if !t.Space.CopyOut(c, to+uintptr(done), unsafe.Pointer(&buf), uintptr(k)) {
			return c, errno(EFAULT)
		}
		done += uint64(k)
	}
	if done > 0 {
		p.write.mu.Lock(c)
		p.write.changed(c)
		p.write.mu.Unlock(c)
	}
	return c, done // 0 when the writing end is closed
}

// writePipe puts n bytes in, and waits for room. Without a reader it fails, and the
// task gets SIGPIPE.
func (f *File) writePipe(c *percpu.CPU, t *Task, from uintptr, n uint64) (*percpu.CPU, uint64) {
	p := f.pipe
	var buf [pipeChunk]byte
	done := uint64(0)
	for done < n {
		var e Errno
		if c, e = f.await(c, t); e != 0 {
			if done > 0 {
				return c, done
			}
			return c, errno(e)
		}
		k := uint32(min(n-done, pipeChunk))
		if !t.Space.CopyIn(c, unsafe.Pointer(&buf), from+uintptr(done), uintptr(k)) {
			return c, errno(EFAULT)
		}
		p.mu.Lock(c)
		reader := p.open[0]
		if k = min(k, pipeSize-p.count); reader {
			for i := range k {
				p.buf[(p.head+p.count+i)%pipeSize] = buf[i]
			}
			p.count += k
		}
		p.mu.Unlock(c)
		if !reader {
			t.raisePipe(c)
			return c, errno(EPIPE)
		}
		done += uint64(k)
		p.read.mu.Lock(c)
		p.read.changed(c)
		p.read.mu.Unlock(c)
		c = sched.Breathe(c)
	}
	return c, done
}

// raisePipe sends the current task SIGPIPE.
func (t *Task) raisePipe(c *percpu.CPU) {
	tasks.mu.Lock(c)
	send(c, t, SIGPIPE, false)
	tasks.mu.Unlock(c)
}

// await waits until a read or a write on an end can go on: there are bytes to read,
// there is room to write, or the other end is closed.
func (f *File) await(c *percpu.CPU, t *Task) (_ *percpu.CPU, e Errno) {
	f.mu.Lock(c)
	for e == 0 && f.pipeReady(c) == 0 {
		c, e = f.wait(c, t)
	}
	f.mu.Unlock(c)
	return c, e
}

// pipeReady returns the epoll events of an end.
func (f *File) pipeReady(c *percpu.CPU) (events uint32) {
	count, open := f.pipe.state(c, f)
	if f.kind == kindPipeRead {
		if count > 0 {
			events |= epollIn
		}
		if !open {
			events |= epollHup
		}
		return events
	}
	if count < pipeSize {
		events |= epollOut
	}
	if !open {
		events |= epollErr
	}
	return events
}
