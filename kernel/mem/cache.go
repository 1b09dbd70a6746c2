package mem

import (
	"sync/atomic"
	"unsafe"

	"muster/kernel/abi"
	"muster/kernel/atom"
	"muster/kernel/layout"
	"muster/kernel/list"
	"muster/kernel/lock"
	"muster/kernel/percpu"
	"muster/kernel/upcall"
)

// Cache allocates objects of one size, cut from pages of the direct map: slabs. A slab
// without an object in use goes back to the free frames, except one. Each CPU has some free
// objects of its own: objects.go. Debug builds poison freed objects: poison.go.
type Cache struct {
	Name    string // for reports
	size    uintptr
	each    uintptr // objects of a slab
	most    uint32  // objects that a CPU has of its own; 0 before there are any, and if an object has a page for itself
	number  uint32  // place in every CPU's objects, from 1 on
	_       [64]byte
	mu      lock.Spin
	partial list.List // slabs with free objects
	empty   int       // of them, slabs without an object in use: 0 or 1
	slabs   uint64
	inUse   uint64      // objects that slabs have given out, to CPUs too
	whole   atom.Uint64 // objects in use that have a page for themselves
	held    quarantine
	site    site // in debug builds
}

// slab is the head of a page, if objects are so small that two fit beside it. A larger
// object has its page for itself, without a head.
type slab struct {
	link  list.Node // first: in Cache.partial, while there is a free object
	owner *Cache
	free  list.Stack // objects, by their first word
	used  uintptr
}

// slabHead is the size of a slab's head, in whole cache lines.
const slabHead = (unsafe.Sizeof(slab{}) + 63) &^ 63

// Init sets the size of the objects, at most a page; it is rounded up to 64 bytes.
func (k *Cache) Init(size uintptr) {
	k.mu.Rank = lock.RankCache
	k.size = roundUp(size, 64)
	k.site.name = k.Name
	k.each = max((layout.PageSize-slabHead)/k.size, 1)
	k.enroll()
}

// slabOf returns the slab that an object lies in.
func slabOf(o unsafe.Pointer) *slab { return ptr[slab](roundDown(uintptr(o), layout.PageSize)) }

// Alloc returns a zeroed object, nil when memory is exhausted.
//
// Locks: takes the cache's, if the CPU has no object.
func (k *Cache) Alloc(c *percpu.CPU) unsafe.Pointer {
	if k.site.denied(c) {
		return nil
	}
	o := k.popOwn(c)
	if o == nil {
		o = k.allocSlow(c)
	}
	if o != nil {
		clearWords(uintptr(o), k.size)
	}
	return o
}

// allocSlow takes an object from a slab, and some more for the CPU. An object with a page for itself
// is a frame.
//
// Locks: takes the cache's.
func (k *Cache) allocSlow(c *percpu.CPU) unsafe.Pointer {
	if k.each == 1 {
		page, ok := slabPages.get(c)
		if !ok {
			return nil
		}
		k.whole.Add(1)
		return unsafe.Pointer(page)
	}
	k.mu.Lock(c)
	o := k.take(c)
	if o != nil {
		k.fillOwn(c)
	}
	k.mu.Unlock(c)
	return o
}

// take returns an object that is not in use.
//
// Locks: k.mu held.
func (k *Cache) take(c *percpu.CPU) unsafe.Pointer {
	k.mu.AssertHeld(c)
	s := (*slab)(unsafe.Pointer(k.partial.First()))
	if s == nil {
		if s = k.grow(c); s == nil {
			return nil
		}
	}
	if s.used == 0 {
		k.empty = 0
	}
	o := s.free.Pop()
	s.used++
	k.inUse++
	if s.free.Top() == nil {
		k.partial.Remove(&s.link)
	}
	return unsafe.Pointer(o)
}

// grow makes a slab.
//
// Locks: k.mu held.
func (k *Cache) grow(c *percpu.CPU) *slab {
	k.mu.AssertHeld(c)
	page, ok := slabPages.get(c)
	if !ok {
		return nil
	}
	s := ptr[slab](page)
	*s = slab{owner: k}
	for i := k.each; i > 0; i-- {
		s.free.Push(ptr[list.Link](page + slabHead + (i-1)*k.size))
	}
	k.partial.Push(&s.link)
	k.slabs++
	k.empty = 1
	return s
}

// Free takes an object back.
//
// Locks: takes the cache's, if the CPU has enough objects, or few frames are left, and always in debug builds.
func (k *Cache) Free(c *percpu.CPU, o unsafe.Pointer) {
	if lock.Checked {
		if o = k.poisoned(c, o); o == nil {
			return
		}
	}
	if k.each == 1 {
		k.whole.Add(^uint64(0))
		slabPages.put(c, uintptr(o))
		return
	}
	if k.pushOwn(c, o) {
		return
	}
	k.mu.Lock(c)
	k.put(c, o)
	k.giveOwn(c, k.most/2)
	k.mu.Unlock(c)
}

// poisoned puts an object into quarantine, and returns the one that leaves it; nil if there is none.
//
// Locks: takes the cache's.
func (k *Cache) poisoned(c *percpu.CPU, o unsafe.Pointer) unsafe.Pointer {
	k.mu.Lock(c)
	if k.each > 1 {
		k.checkOwner(c, o)
	}
	o = k.hold(c, o)
	k.mu.Unlock(c)
	return o
}

// checkOwner panics if an object is another cache's.
func (k *Cache) checkOwner(c *percpu.CPU, o unsafe.Pointer) {
	if slabOf(o).owner != k {
		upcall.Panic(c, "mem: an object freed to another cache than its own; address", uint64(uintptr(o)), 0)
	}
}

// put gives an object back to its slab, and frees a slab without an object in use.
//
// Locks: k.mu held.
func (k *Cache) put(c *percpu.CPU, o unsafe.Pointer) {
	k.mu.AssertHeld(c)
	k.checkOwner(c, o)
	k.inUse--
	s := slabOf(o)
	if s.free.Top() == nil {
		k.partial.Push(&s.link)
	}
	s.free.Push((*list.Link)(o))
	if s.used--; s.used > 0 {
		return
	}
	if k.empty == 0 {
		k.empty = 1 // one stays, so that a single object that comes and goes costs no page each time
		return
	}
	k.partial.Remove(&s.link)
	s.owner = nil
	k.slabs--
	slabPages.put(c, uintptr(unsafe.Pointer(s)))
}

// CacheCount returns how many caches of objects there are.
func CacheCount() int { return int(caches.count) }

// NameCache gives the state of a cache its name.
func NameCache(out *abi.MemCache, name string) {
	for i := range min(len(name), len(out.Name)) {
		out.Name[i] = name[i]
	}
}

// ReadCache returns the state of a cache, below CacheCount. While CPUs allocate, its numbers are those of about this time.
//
// Locks: takes the cache's.
func ReadCache(c *percpu.CPU, number int, out *abi.MemCache) {
	k := caches.list[number]
	NameCache(out, k.Name)
	out.Size = uint64(k.size)
	k.mu.Lock(c)
	whole := k.whole.Load()
	out.InUse = k.inUse + whole
	out.Free = k.slabs*uint64(k.each) - k.inUse
	out.Bytes = (k.slabs + whole) * layout.PageSize
	k.mu.Unlock(c)
	if k.most != 0 {
		for id := range percpu.Count() {
			out.OfCPUs += uint64(atomic.LoadUint32(&k.ownObjects(id).n))
		}
	}
	out.OfCPUs = min(out.OfCPUs, out.InUse)
	out.InUse -= out.OfCPUs
}

// slabPages is where caches get their pages, and where these go. Host tests have their
// own.
var slabPages = struct {
	get func(c *percpu.CPU) (page uintptr, ok bool)
	put func(c *percpu.CPU, page uintptr)
}{getSlabPage, putSlabPage}

func getSlabPage(c *percpu.CPU) (uintptr, bool) {
	p, ok := allocFrame(c)
	return Direct(p), ok
}

func putSlabPage(c *percpu.CPU, page uintptr) { FreeFrame(c, DirectPhys(page)) }

// clearWords zeroes n bytes, a multiple of 64. The compiler writes a loop for more than 64 bytes in one statement.
func clearWords(p, n uintptr) {
	end := p + n
	for ; end-p >= 256; p += 256 {
		*ptr[[8]uint64](p) = [8]uint64{}
		*ptr[[8]uint64](p + 64) = [8]uint64{}
		*ptr[[8]uint64](p + 128) = [8]uint64{}
		*ptr[[8]uint64](p + 192) = [8]uint64{}
	}
	for ; p < end; p += 64 {
		*ptr[[8]uint64](p) = [8]uint64{}
	}
}
