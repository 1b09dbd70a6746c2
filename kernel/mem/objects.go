package mem

import (
	"sync/atomic"
	"unsafe"

	"muster/kernel/layout"
	"muster/kernel/list"
	"muster/kernel/percpu"
	"muster/kernel/upcall"
)

// Each CPU has some free objects of each cache: a CPU that frees objects allocates them again, without
// the cache's lock, and while they are in its own hardware caches. An object belongs to the CPU that frees it, whichever
// CPU allocated it. A CPU without objects takes some from the slabs, and one with too many gives half of them
// back. So if one CPU allocates what another one frees, each takes the lock once for several objects.
//
// No other CPU touches a CPU's objects, and interrupts are off, so they need no lock. While frames are scarce, a CPU that frees
// an object gives back all that it has of that cache, and GiveBack does so for all caches, so that empty slabs become
// free frames.

// maxCaches is how many caches can have objects by CPU. Others work without.
const maxCaches = 32

// Bounds of what a CPU has of one cache.
const (
	ownBytes = 2 * layout.PageSize
	ownLeast = 4
	ownMost  = 32
)

// objects is what one CPU has of one cache.
type objects struct {
	free list.Stack
	n    uint32
}

// caches is all caches that have objects by CPU.
var caches struct {
	list  [maxCaches]*Cache
	count uint32
	own   PerCPU // [maxCaches]objects, 0 at first
}

// initObjects lets CPUs have objects.
//
// Context: boot CPU, after InitPerCPU.
func initObjects(c *percpu.CPU) {
	_, own, ok := AllocPerCPU(c, maxCaches*unsafe.Sizeof(objects{}), nil) //cpucheck:stays no other thread runs: breathe is nil
	if !ok {
		upcall.Panic(c, "mem: no memory for the boot CPU's objects", 0, 0)
	}
	caches.own = own
	for i := range caches.count {
		caches.list[i].bound()
	}
}

// enroll gives a cache a place in every CPU's objects.
//
// Context: boot CPU, or a host test.
func (k *Cache) enroll() {
	if k.number == 0 && caches.count < maxCaches {
		caches.list[caches.count] = k
		caches.count++
		k.number = caches.count
	}
	k.bound()
}

// bound sets how many objects a CPU may have.
func (k *Cache) bound() {
	k.most = 0
	if k.number != 0 && caches.own != 0 && k.each > 1 {
		k.most = uint32(max(min(ownBytes/k.size, ownMost), ownLeast))
	}
}

// ownObjects returns what a CPU has of the cache, if k.most is not 0.
func (k *Cache) ownObjects(id uint32) *objects {
	return ptr[objects](caches.own.On(id) + uintptr(k.number-1)*unsafe.Sizeof(objects{}))
}

// popOwn takes an object that the CPU has, nil if it has none.
func (k *Cache) popOwn(c *percpu.CPU) unsafe.Pointer {
	if k.most == 0 {
		return nil
	}
	own := k.ownObjects(c.ID)
	o := own.free.Pop()
	if o != nil {
		own.n--
	}
	return unsafe.Pointer(o)
}

// pushOwn adds an object to those that the CPU has. It reports false if the CPU has enough, or if frames
// are scarce.
func (k *Cache) pushOwn(c *percpu.CPU, o unsafe.Pointer) bool {
	if k.most == 0 || frames.caching.Load() == 0 {
		return false
	}
	own := k.ownObjects(c.ID)
	if own.n >= k.most {
		return false
	}
	own.free.Push((*list.Link)(o))
	own.n++
	return true
}

// fillOwn takes objects, from slabs that exist, until the CPU has half of what it may have. It makes no slab.
//
// Locks: k.mu held.
func (k *Cache) fillOwn(c *percpu.CPU) {
	k.mu.AssertHeld(c)
	if k.most == 0 || frames.caching.Load() == 0 {
		return
	}
	own := k.ownObjects(c.ID)
	for own.n < k.most/2 && k.partial.First() != nil {
		own.free.Push((*list.Link)(k.take(c)))
		own.n++
	}
}

// giveOwn gives objects of the CPU back to their slabs, until the CPU has no more than left. While frames are scarce,
// the CPU keeps none.
//
// Locks: k.mu held.
func (k *Cache) giveOwn(c *percpu.CPU, left uint32) {
	k.mu.AssertHeld(c)
	if k.most == 0 {
		return
	}
	if frames.caching.Load() == 0 {
		left = 0
	}
	for own := k.ownObjects(c.ID); own.n > left; own.n-- {
		k.put(c, unsafe.Pointer(own.free.Pop()))
	}
}

// giveObjects gives all objects that c has back.
//
// Context: on c; no lock held.
// Locks: takes those of the caches.
func giveObjects(c *percpu.CPU) {
	for i := range caches.count {
		k := caches.list[i]
		if k.most == 0 || k.ownObjects(c.ID).n == 0 {
			continue
		}
		k.mu.Lock(c)
		k.giveOwn(c, 0)
		k.mu.Unlock(c)
	}
}

// hasObjects reports whether a CPU has objects, at about this time.
func hasObjects(id uint32) bool {
	for i := range caches.count {
		if k := caches.list[i]; k.most != 0 && atomic.LoadUint32(&k.ownObjects(id).n) != 0 {
			return true
		}
	}
	return false
}
