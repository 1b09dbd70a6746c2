//go:build explore

package atom

import "unsafe"

// Access is what an operation does to its word.
type Access uint8

// Accesses.
const (
	Read   Access = iota // load it
	Write                // store to it, without reading it
	Update               // load and store in one
)

// Explorer decides which CPU makes the next step, and records what the step does.
// Package explore sets it for the time of a search.
var Explorer interface {
	// Step waits until the CPU that calls may make an operation on a word.
	Step(word unsafe.Pointer)
	// Access says what the operation does. A CompareAndSwap that fails is a Read.
	Access(a Access, word unsafe.Pointer)
	// Pause reports that a spin loop makes another turn.
	Pause()
}

// step is called by every operation before it touches its word.
func step(a Access, word unsafe.Pointer) {
	if Explorer != nil {
		Explorer.Step(word)
		Explorer.Access(a, word)
	}
}

// swaps is step for CompareAndSwap, which may or may not find the old value.
func swaps[T comparable](word *T, old, v T) bool {
	if Explorer != nil {
		Explorer.Step(unsafe.Pointer(word))
	}
	found := *word == old
	a := Read
	if found {
		a, *word = Update, v
	}
	if Explorer != nil {
		Explorer.Access(a, unsafe.Pointer(word))
	}
	return found
}

// Pause lets others run: the wait can end only by what another CPU does.
func Pause() {
	if Explorer != nil {
		Explorer.Pause()
	}
}

// Uint32 is an atomic 32-bit word under the explorer's control.
type Uint32 struct{ v uint32 }

// Uint64 is an atomic 64-bit word under the explorer's control.
type Uint64 struct{ v uint64 }

// Uintptr is an atomic address under the explorer's control.
type Uintptr struct{ v uintptr }

// Load returns the value.
func (x *Uint32) Load() uint32 { step(Read, unsafe.Pointer(x)); return x.v }

// Store sets the value.
func (x *Uint32) Store(v uint32) { step(Write, unsafe.Pointer(x)); x.v = v }

// Release sets the lowest byte to 0.
func (x *Uint32) Release() { step(Update, unsafe.Pointer(x)); x.v &^= 0xff }

// Swap sets the value and returns the old one.
func (x *Uint32) Swap(v uint32) uint32 {
	step(Update, unsafe.Pointer(x))
	old := x.v
	x.v = v
	return old
}

// Add adds d and returns the sum.
func (x *Uint32) Add(d uint32) uint32 { step(Update, unsafe.Pointer(x)); x.v += d; return x.v }

// And keeps the bits of m and returns the old value.
func (x *Uint32) And(m uint32) uint32 {
	step(Update, unsafe.Pointer(x))
	old := x.v
	x.v &= m
	return old
}

// Or sets the bits of m and returns the old value.
func (x *Uint32) Or(m uint32) uint32 {
	step(Update, unsafe.Pointer(x))
	old := x.v
	x.v |= m
	return old
}

// CompareAndSwap stores v if the value is old and reports whether it did.
func (x *Uint32) CompareAndSwap(old, v uint32) bool { return swaps(&x.v, old, v) }

// Load returns the value.
func (x *Uint64) Load() uint64 { step(Read, unsafe.Pointer(x)); return x.v }

// Store sets the value.
func (x *Uint64) Store(v uint64) { step(Write, unsafe.Pointer(x)); x.v = v }

// Swap sets the value and returns the old one.
func (x *Uint64) Swap(v uint64) uint64 {
	step(Update, unsafe.Pointer(x))
	old := x.v
	x.v = v
	return old
}

// Add adds d and returns the sum.
func (x *Uint64) Add(d uint64) uint64 { step(Update, unsafe.Pointer(x)); x.v += d; return x.v }

// And keeps the bits of m and returns the old value.
func (x *Uint64) And(m uint64) uint64 {
	step(Update, unsafe.Pointer(x))
	old := x.v
	x.v &= m
	return old
}

// Or sets the bits of m and returns the old value.
func (x *Uint64) Or(m uint64) uint64 {
	step(Update, unsafe.Pointer(x))
	old := x.v
	x.v |= m
	return old
}

// CompareAndSwap stores v if the value is old and reports whether it did.
func (x *Uint64) CompareAndSwap(old, v uint64) bool { return swaps(&x.v, old, v) }

// Load returns the value.
func (x *Uintptr) Load() uintptr { step(Read, unsafe.Pointer(x)); return x.v }

// Store sets the value.
func (x *Uintptr) Store(v uintptr) { step(Write, unsafe.Pointer(x)); x.v = v }

// CompareAndSwap stores v if the value is old and reports whether it did.
func (x *Uintptr) CompareAndSwap(old, v uintptr) bool { return swaps(&x.v, old, v) }

// Publish sets the value.
func (x *Uint32) Publish(v uint32) { x.Store(v) }

// Publish sets the value.
func (x *Uint64) Publish(v uint64) { x.Store(v) }

// Count adds d to a word that the caller alone changes.
func (x *Uint64) Count(d uint64) { x.Store(x.Load() + d) }

// Release sets the address to 0.
func (x *Uintptr) Release() { x.Store(0) }
