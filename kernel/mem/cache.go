package mem

import (
	"unsafe"

	"muster/kernel/layout"
	"muster/kernel/lock"
	"muster/kernel/percpu"
)

// Cache hands out objects of one size, cut from pages of the direct map. Freed
// objects are kept for the next caller; pages do not go back.
type Cache struct {
	mu    lock.Spin
	size  uintptr
	free  *freeObject
	total uint64 // objects made
	inUse uint64
}

type freeObject struct{ next *freeObject }

// Init sets the size of the objects, at most a page; it is rounded up to 64 bytes.
func (k *Cache) Init(size uintptr) {
	k.mu.Rank = lock.RankCache
	k.size = roundUp(size, 64)
}

// Alloc returns a zeroed object, nil when memory is exhausted.
//
// Locks: takes the cache's.
func (k *Cache) Alloc(c *percpu.CPU) unsafe.Pointer {
	k.mu.Lock(c)
	if k.free == nil && !k.grow(c) {
		k.mu.Unlock(c)
		return nil
	}
	o := k.free
	k.free = o.next
	k.inUse++
	k.mu.Unlock(c)
	clearWords(uintptr(unsafe.Pointer(o)), k.size)
	return unsafe.Pointer(o)
}

// Free takes an object back.
//
// Locks: takes the cache's.
func (k *Cache) Free(c *percpu.CPU, p unsafe.Pointer) {
	o := (*freeObject)(p)
	k.mu.Lock(c)
	o.next = k.free
	k.free = o
	k.inUse--
	k.mu.Unlock(c)
}

func (k *Cache) grow(c *percpu.CPU) bool {
	p, ok := AllocFrame(c)
	if !ok {
		return false
	}
	for off := uintptr(0); off+k.size <= layout.PageSize; off += k.size {
		o := ptr[freeObject](Direct(p) + off)
		o.next = k.free
		k.free = o
		k.total++
	}
	return true
}

// clearWords zeroes n bytes, a multiple of 64.
func clearWords(p, n uintptr) {
	for end := p + n; p < end; p += 64 {
		*ptr[[8]uint64](p) = [8]uint64{}
	}
}
