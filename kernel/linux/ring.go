package linux

import (
	"unsafe"

	"muster/kernel/layout"
	"muster/kernel/mem"
)

// ring is the bytes in a pipe: a queue of pages, each filled in part. As in Linux, a
// pipe is full when all its places have a page, even if a page has room; a short
// write goes into the last page if all of the write fits there.
type ring struct {
	places *[maxPlaces]place // the first size of them
	size   uint32            // a power of two
	head   uint32            // pages that were ever taken off; the first page is at head mod size
	used   uint32            // pages in the ring
	bytes  uint32
	few    [defaultPlaces]place
}

// place is a page with the bytes from off to off+n.
type place struct {
	page   uintptr // in the direct map
	off, n uint32
}

const (
	defaultPlaces = 16  // 65,536 bytes
	maxPlaces     = 256 // 1 MiB, Linux's limit for programs without privileges
)

// One page holds the places of the largest ring.
var _ [layout.PageSize]byte = [unsafe.Sizeof([maxPlaces]place{})]byte{}

func (r *ring) init() {
	r.places = (*[maxPlaces]place)(unsafe.Pointer(&r.few))
	r.size = defaultPlaces
}

func (r *ring) at(i uint32) *place { return &r.places[(r.head+i)&(r.size-1)] }

func (r *ring) full() bool { return r.used == r.size }

// merges reports whether n bytes fit after the last ones, in their page.
func (r *ring) merges(n uint32) bool {
	if r.used == 0 {
		return false
	}
	last := r.at(r.used - 1)
	return last.off+last.n+n <= layout.PageSize
}

// put adds the first n bytes of a page. It reports whether there was room, and
// whether the page itself is now in the ring.
func (r *ring) put(page uintptr, n uint32) (ok, kept bool) {
	switch {
	case r.merges(n):
		last := r.at(r.used - 1)
		mem.Copy(last.page+uintptr(last.off+last.n), page, uintptr(n))
		last.n += n
	case !r.full():
		*r.at(r.used) = place{page, 0, n}
		r.used++
		kept = true
	default:
		return false, false
	}
	r.bytes += n
	return true, kept
}

// first returns where the first bytes are, up to limit, and their number.
func (r *ring) first(limit uint64) (p unsafe.Pointer, n uint32) {
	if r.used == 0 {
		return nil, 0
	}
	first := r.at(0)
	return unsafe.Pointer(first.page + uintptr(first.off)), uint32(min(uint64(first.n), limit))
}

// drop removes n bytes that first has returned. It returns the page that they were
// in if the page is now empty, or 0.
func (r *ring) drop(n uint32) (page uintptr) {
	first := r.at(0)
	first.off += n
	first.n -= n
	r.bytes -= n
	if first.n == 0 {
		page = first.page
		*first = place{}
		r.head++
		r.used--
	}
	return page
}

// resize moves the pages to another array of places, and returns the old one. There
// are at most size pages.
func (r *ring) resize(places *[maxPlaces]place, size uint32) (old *[maxPlaces]place) {
	old = r.places
	for i := range r.used {
		places[i] = *r.at(i)
	}
	r.places, r.size, r.head = places, size, 0
	return old
}

func pageBytes(page uintptr) *[layout.PageSize]byte {
	return (*[layout.PageSize]byte)(unsafe.Pointer(page))
}
