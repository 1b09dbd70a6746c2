// Package refs counts the references to an object, and keeps the rule by which an
// object ends once: a reference is taken only from a live root, so a count that has
// come to zero is never raised again.
//
// A live root is a reference that the caller holds, or a place that has one, read
// under the lock under which the place gives its reference up. From a live root Get
// takes one more. Some pointers have no reference: those by which an object is found
// while it may be ending. They are read under the lock under which the object's end
// removes them, before the object's memory is freed; TryGet follows them, and fails
// if the object is ending. In the place of that lock a CPU can announce the object to the one that ends it
// (linux.fileTable.get).
//
// Layer: core.
// Context: any.
// Locks: none.
// Chapter: docs/10-system-calls.md.
package refs

import (
	"muster/kernel/atom"
	"muster/kernel/percpu"
	"muster/kernel/upcall"
)

// Count is the number of references to an object. The zero value is that of an
// object which has ended, or was never published.
type Count struct{ n atom.Uint32 }

// Init sets the count of a new object to the one reference of its maker, before the
// object is published.
func (r *Count) Init() { r.n.Store(1) }

// limit is more references than an object can have. A larger count is that of memory
// which was freed, and poisoned.
const limit = 1 << 30

// Get takes one more reference, from a live root.
func (r *Count) Get(c *percpu.CPU) {
	if n := r.n.Add(1); n-2 > limit { // 0 and 1, too
		raised(c, n)
	}
}

// raised and twice keep Get and Put small enough for the compiler to inline.
//
//go:noinline
func raised(c *percpu.CPU, n uint32) {
	upcall.Panic(c, "refs: a reference to an object that has ended", uint64(n), 0)
}

//go:noinline
func twice(c *percpu.CPU) { upcall.Panic(c, "refs: a reference given up twice", 0, 0) }

// TryGet takes a reference through a pointer that has none, and fails if the object
// is ending.
//
// Context: under the lock under which the object's end removes the pointer, or after the object was announced.
func (r *Count) TryGet() bool {
	for n := r.n.Load(); n != 0; n = r.n.Load() {
		if r.n.CompareAndSwap(n, n+1) {
			return true
		}
	}
	return false
}

// Put gives a reference up. It reports whether it was the last: then the caller
// ends the object.
func (r *Count) Put(c *percpu.CPU) (last bool) {
	n := r.n.Add(^uint32(0))
	if n > limit { // below zero, too
		twice(c)
	}
	return n == 0
}

// Only reports whether there is one reference, the caller's. Others may take one from
// it at once.
func (r *Count) Only() bool { return r.n.Load() == 1 }
