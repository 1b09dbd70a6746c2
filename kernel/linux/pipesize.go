package linux

import (
	"unsafe"

	"muster/kernel/layout"
	"muster/kernel/percpu"
)

// maxPipeBytes is the most that F_SETPIPE_SZ gives a pipe.
const maxPipeBytes = maxPlaces * layout.PageSize

// pipeSize answers F_SETPIPE_SZ, and F_GETPIPE_SZ.
func (f *File) pipeSize(c *percpu.CPU, t *Task, set bool, want uint64) (*percpu.CPU, uint64) {
	p := f.pipe
	if p == nil {
		return c, errno(EBADF)
	}
	if set {
		return p.resize(c, t, uint64(uint32(want)))
	}
	p.mu.Lock(c)
	size := p.ring.size
	p.mu.Unlock(c)
	return c, uint64(size) * layout.PageSize
}

// resize gives the pipe room for at least some bytes, and returns the room that it
// has then.
func (p *pipe) resize(c *percpu.CPU, t *Task, want uint64) (*percpu.CPU, uint64) {
	switch {
	case want > 1<<31:
		return c, errno(EINVAL)
	case want > maxPipeBytes:
		return c, errno(EPERM)
	}
	size := uint32(1)
	for uint64(size)*layout.PageSize < want {
		size *= 2
	}
	c = p.reading.Lock(c) // one task at a time resizes
	places := p.placesFor(c, t, size)
	if places == nil {
		p.reading.Unlock(c)
		return c, errno(ENOMEM)
	}
	var ch change
	p.mu.Lock(c)
	busy, unused := p.ring.used > size, places
	if !busy {
		unused = p.ring.resize(places, size)
		if w := p.ends[writeEnd]; w != nil && !p.ring.full() {
			w.waiters.wakeOne(c)
			ch.begin(c, w, pollOut)
		}
	}
	p.mu.Unlock(c)
	p.freePlaces(c, unused)
	p.reading.Unlock(c)
	c = ch.end(c)
	if busy {
		return c, errno(EBUSY)
	}
	return c, uint64(size) * layout.PageSize
}

// placesFor returns an array that the ring does not use now, with room for some
// places. nil means that memory is exhausted.
//
// Locks: p.reading held.
func (p *pipe) placesFor(c *percpu.CPU, t *Task, size uint32) *[maxPlaces]place {
	p.reading.AssertHeld(c)
	few := (*[maxPlaces]place)(unsafe.Pointer(&p.ring.few))
	if size <= defaultPlaces && p.ring.places != few {
		return few
	}
	if !t.proc.mayGrow(c) {
		return nil
	}
	return (*[maxPlaces]place)(unsafe.Pointer(allocPage(c)))
}
