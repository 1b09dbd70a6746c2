package mem

import (
	"unsafe"

	"muster/kernel/console"
	"muster/kernel/percpu"
	"muster/kernel/upcall"
)

// Debug builds find the use of an object after it was freed. Free fills the object with
// poison, and the cache keeps the object for a while before it is allocated again: in
// quarantine. Code that still uses the object finds the poison:
//
//   - as a pointer it is not canonical, so the access is a #GP, a panic of the core;
//   - as a lock its rank is none, so lock.Spin panics;
//   - as a count of references it is beyond what package refs accepts.
//
// A store to the object is found when it leaves quarantine. Free finds an object that is
// in quarantine already, or free.

// poison is what freed objects are full of. The lowest byte is not 0, so a lock looks held.
const poison = 0x6badfeed_deadf4ee

// quarantine is the objects that a cache freed last, the oldest at next.
type quarantine struct {
	objects [quarantined]unsafe.Pointer
	next    int
}

// hold poisons an object and puts it into quarantine. It returns the object that has
// been there longest, nil if there is still room.
//
// Locks: k.mu held.
func (k *Cache) hold(c *percpu.CPU, o unsafe.Pointer) (oldest unsafe.Pointer) {
	k.mu.AssertHeld(c)
	if k.isFree(o) {
		k.found(c, "object freed twice; address, size", uint64(uintptr(o)), uint64(k.size))
	}
	for i := range k.size / 8 {
		*wordOf(o, i) = poison
	}
	q := &k.held
	if len(q.objects) == 0 {
		return o
	}
	oldest, q.objects[q.next] = q.objects[q.next], o
	if q.next++; q.next == len(q.objects) {
		q.next = 0
	}
	if oldest != nil {
		k.checkPoison(c, oldest)
	}
	return oldest
}

// isFree reports whether an object is in quarantine, or has left it and was not allocated since: Alloc clears it.
func (k *Cache) isFree(o unsafe.Pointer) bool {
	for _, h := range k.held.objects {
		if h == o {
			return true
		}
	}
	return k.isPoison(o)
}

// isPoison reports whether an object is full of poison, except for its first word, a list's link.
func (k *Cache) isPoison(o unsafe.Pointer) bool {
	for i := uintptr(1); i < k.size/8; i++ {
		if *wordOf(o, i) != poison {
			return false
		}
	}
	return true
}

// checkPoison panics if anything was stored to an object in quarantine.
func (k *Cache) checkPoison(c *percpu.CPU, o unsafe.Pointer) {
	for i := range k.size / 8 {
		if v := *wordOf(o, i); v != poison {
			k.found(c, "object written to after it was freed; offset, value", uint64(i*8), v)
		}
	}
}

// verdict is the text of the panic. It is no local variable, because the report keeps
// it.
var verdict console.Line

// found panics with the cache's name.
func (k *Cache) found(c *percpu.CPU, what string, a, b uint64) {
	text := verdict.Str("mem: ").Str(k.Name).Str(" ").Str(what).Bytes()
	upcall.Panic(c, unsafe.String(&text[0], len(text)), a, b)
}

func wordOf(o unsafe.Pointer, i uintptr) *uint64 { return (*uint64)(unsafe.Add(o, i*8)) }
