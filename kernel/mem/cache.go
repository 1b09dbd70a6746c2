package mem

import (
	"unsafe"

	"muster/kernel/layout"
	"muster/kernel/list"
	"muster/kernel/lock"
	"muster/kernel/percpu"
)

// Cache allocates objects of one size, cut from pages of the direct map. Freed
// objects are kept for the next caller; pages are not freed.
type Cache struct {
	mu    lock.Spin
	size  uintptr
	free  list.Stack // objects, by their first word
	total uint64     // objects made
	inUse uint64
}

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
	if k.free.Top() == nil && !k.grow(c) {
		k.mu.Unlock(c)
		return nil
	}
	o := unsafe.Pointer(k.free.Pop())
	k.inUse++
	k.mu.Unlock(c)
	clearWords(uintptr(o), k.size)
	return o
}

// Free takes an object back.
//
// Locks: takes the cache's.
func (k *Cache) Free(c *percpu.CPU, p unsafe.Pointer) {
	k.mu.Lock(c)
	k.free.Push((*list.Link)(p))
	k.inUse--
	k.mu.Unlock(c)
}

func (k *Cache) grow(c *percpu.CPU) bool {
	p, ok := AllocFrame(c)
	if !ok {
		return false
	}
	for off := uintptr(0); off+k.size <= layout.PageSize; off += k.size {
		k.free.Push(ptr[list.Link](Direct(p) + off))
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
