package linux

import (
	"unsafe"

	"muster/kernel/layout"
	"muster/kernel/percpu"
)

// source is the bytes of one write or writev: pieces of a program's memory, read from
// front to back. bytesAt and piecesAt make one, so that each has its bound.
type source struct {
	left   uint64  // bytes that are left in all; another thread may shorten the pieces meanwhile
	iov    uintptr // the next iovec
	pieces uint64  // iovecs that are left
	base   uintptr // what is left of the present piece
	length uint64
	err    Errno // why there are no more bytes, if not because all were read
}

// maxTransfer bounds one call, as on Linux: INT_MAX rounded down to a page.
const maxTransfer = 1<<31 - layout.PageSize

// bytesAt returns the n bytes at addr, as far as one call transfers them.
func bytesAt(addr uintptr, n uint64) source {
	n = min(n, maxTransfer)
	return source{left: n, base: addr, length: n}
}

// piecesAt returns the bytes of n iovecs, as far as one call transfers them.
//
// Context: no lock held. Returns the CPU on which the task goes on.
func piecesAt(c *percpu.CPU, t *Task, iov uintptr, n uint64) (*percpu.CPU, source, Errno) {
	c, left, e := lengthOf(c, t, iov, n)
	return c, source{left: left, iov: iov, pieces: n}, e
}

// done reports whether no more bytes come.
func (s *source) done() bool {
	return s.err != 0 || s.left == 0 || s.length == 0 && s.pieces == 0
}

// next loads the next piece if the present one is used up. It may be empty.
func (s *source) next(c *percpu.CPU, t *Task) {
	if s.length > 0 || s.pieces == 0 {
		return
	}
	var v iovec
	if !t.Space.CopyIn(c, unsafe.Pointer(&v), s.iov, unsafe.Sizeof(v)) {
		s.err = EFAULT
		return
	}
	if int64(v.length) < 0 {
		s.err = EINVAL
		return
	}
	s.iov += unsafe.Sizeof(v)
	s.pieces--
	s.base, s.length = uintptr(v.base), v.length
}

// part returns how many bytes of the present piece one step copies, of n at most: a
// missing page ends a write or a read.
func (s *source) part(n uint64) uint64 {
	return min(s.length, s.left, n, uint64(layout.PageSize-s.base&pageMask))
}

// pass goes on after n bytes of the present piece.
func (s *source) pass(n uint64) {
	s.base += uintptr(n)
	s.length -= n
	s.left -= n
}

// fill copies the next bytes to p and returns their number: 0 also after an empty piece.
// It takes a bounded number of steps: one iovec, and bytes of one page.
func (s *source) fill(c *percpu.CPU, t *Task, p []byte) int {
	s.next(c, t)
	n := s.part(uint64(len(p)))
	if s.err != 0 || n == 0 {
		return 0
	}
	if !t.Space.CopyIn(c, unsafe.Pointer(&p[0]), s.base, uintptr(n)) {
		s.err = EFAULT
		return 0
	}
	s.pass(n)
	return int(n)
}

// fills is the number of steps between two windows for interrupts: each may bring in
// a page.
const fills = 8

// take copies exactly the next len(p) bytes to p.
//
// Context: no lock held. Returns the CPU on which the task goes on.
func (s *source) take(c *percpu.CPU, t *Task, p []byte) (_ *percpu.CPU, ok bool) {
	turn := 0
	for n := 0; n < len(p); c = breatheEvery(c, &turn, fills) {
		if s.done() {
			return c, false
		}
		n += s.fill(c, t, p[n:])
	}
	return c, true
}

// take64 copies the next word, which may lie in several pieces.
func (s *source) take64(c *percpu.CPU, t *Task) (_ *percpu.CPU, v uint64, ok bool) {
	c, ok = s.take(c, t, unsafe.Slice((*byte)(unsafe.Pointer(&v)), 8))
	return c, v, ok
}

// sink is the places for the bytes of one read or readv, filled from front to back.
type sink struct{ source }

// put copies n bytes to the program.
//
// Context: no lock held. Returns the CPU on which the task goes on.
func (k *sink) put(c *percpu.CPU, t *Task, from unsafe.Pointer, n uint64) (_ *percpu.CPU, ok bool) {
	turn := 0
	for n > 0 && !k.done() {
		k.next(c, t)
		part := k.part(n)
		if k.err != 0 || !t.Space.CopyOut(c, k.base, from, uintptr(part)) {
			return c, false
		}
		from = unsafe.Add(from, int(part))
		k.pass(part)
		n -= part
		c = breatheEvery(c, &turn, fills)
	}
	return c, n == 0
}

// iovec is one piece of a readv or writev.
type iovec struct{ base, length uint64 }

const maxIovecs = 1024

// lengthOf returns the sum of the lengths of n iovecs, as far as one call transfers
// them.
func lengthOf(c *percpu.CPU, t *Task, iov uintptr, n uint64) (_ *percpu.CPU, total uint64, e Errno) {
	if n > maxIovecs {
		return c, 0, EINVAL
	}
	turn := 0
	for i := range n {
		length, ok := t.Space.Load64(c, iov+uintptr(i)*unsafe.Sizeof(iovec{})+unsafe.Offsetof(iovec{}.length))
		if !ok {
			return c, 0, EFAULT
		}
		if int64(length) < 0 {
			return c, 0, EINVAL
		}
		total = min(total+length, maxTransfer)
		c = breatheEvery(c, &turn, 64)
	}
	return c, total, 0
}
