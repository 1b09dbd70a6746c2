package linux

import (
	"unsafe"

	"muster/kernel/layout"
	"muster/kernel/percpu"
)

// A short read or write needs no turn of a reader and no page of a writer, if the bytes or
// the room are there, and the program's memory, too: it is copied under the pipe's lock.
// All else goes the long way of pipeio.go.

// nowBytes bounds what is copied under the lock.
const nowBytes = 256

// readNow reads what there is, and returns the number of bytes, 0 if the caller has to go
// the long way.
//
// Context: no lock held. Returns the CPU on which the task goes on.
func (p *pipe) readNow(c *percpu.CPU, t *Task, to *sink) (_ *percpu.CPU, done uint64) {
	if to.left > nowBytes || to.length != to.left {
		return c, 0
	}
	var ch change
	page := uintptr(0)
	p.mu.Lock(c)
	from, n := p.ring.first(to.left)
	whole := uint64(n) == to.left || n == p.ring.bytes // the rest is not in the next page
	if n > 0 && whole && !p.taking && t.Space.CopyOutNow(c, to.base, from, uintptr(n)) {
		page = p.remove(c, n, &ch)
		done = uint64(n)
	}
	p.mu.Unlock(c)
	if page != 0 {
		freePage(c, page)
	}
	return ch.end(c), done
}

// writeNow writes all bytes, and returns their number, 0 if the caller has to go the long
// way.
//
// Context: no lock held. Returns the CPU on which the task goes on.
func (f *File) writeNow(c *percpu.CPU, t *Task, from *source) (_ *percpu.CPU, done uint64) {
	if from.left > nowBytes || from.length != from.left {
		return c, 0
	}
	var ch change
	p := f.pipe
	p.mu.Lock(c)
	if r := p.ends[readEnd]; r != nil && p.addNow(c, t, from) {
		done = from.left
		if uint64(p.ring.bytes) == done {
			r.waiters.wakeOne(c)
		}
		ch.begin(c, r, pollIn)
	}
	p.mu.Unlock(c)
	return ch.end(c), done
}

// addNow puts bytes after the last ones, or into a spare page, and reports whether it did.
//
// Locks: p.mu held.
func (p *pipe) addNow(c *percpu.CPU, t *Task, from *source) bool {
	p.mu.AssertHeld(c)
	r, n := &p.ring, uint32(from.left)
	switch {
	case n == 0:
		return false
	case r.merges(n):
		last := r.at(r.used - 1)
		if !t.Space.CopyInNow(c, unsafe.Pointer(last.page+uintptr(last.off+last.n)), from.base, uintptr(n)) {
			return false
		}
		last.n += n
		r.bytes += n
	case r.full() || p.spared == 0:
		return false
	default:
		page := p.spare[p.spared-1]
		if !t.Space.CopyInNow(c, unsafe.Pointer(page), from.base, uintptr(n)) {
			return false
		}
		r.put(page, n)
		p.spared--
	}
	return true
}

var _ [layout.PageSize - nowBytes]byte
