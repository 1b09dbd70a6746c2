//go:build !explore

package atom

import (
	"sync/atomic"

	"muster/kernel/cpu"
)

// Pause is the body of a spin-wait loop: the wait can end only by what another CPU
// does.
func Pause() { cpu.Pause() }

// Uint32 is an atomic 32-bit word.
type Uint32 struct{ v uint32 }

// Load returns the value.
func (x *Uint32) Load() uint32 { return atomic.LoadUint32(&x.v) }

// Store sets the value.
func (x *Uint32) Store(v uint32) { atomic.StoreUint32(&x.v, v) }

// Swap sets the value and returns the old one.
func (x *Uint32) Swap(v uint32) uint32 { return atomic.SwapUint32(&x.v, v) }

// CompareAndSwap stores v if the value is old and reports whether it did.
func (x *Uint32) CompareAndSwap(old, v uint32) bool { return atomic.CompareAndSwapUint32(&x.v, old, v) }

// Add adds d and returns the sum.
func (x *Uint32) Add(d uint32) uint32 { return atomic.AddUint32(&x.v, d) }

// And keeps the bits of m and returns the old value.
func (x *Uint32) And(m uint32) uint32 { return atomic.AndUint32(&x.v, m) }

// Or sets the bits of m and returns the old value.
func (x *Uint32) Or(m uint32) uint32 { return atomic.OrUint32(&x.v, m) }

// Uint64 is an atomic 64-bit word.
type Uint64 struct{ v uint64 }

// Load returns the value.
func (x *Uint64) Load() uint64 { return atomic.LoadUint64(&x.v) }

// Store sets the value.
func (x *Uint64) Store(v uint64) { atomic.StoreUint64(&x.v, v) }

// Swap sets the value and returns the old one.
func (x *Uint64) Swap(v uint64) uint64 { return atomic.SwapUint64(&x.v, v) }

// Add adds d and returns the sum.
func (x *Uint64) Add(d uint64) uint64 { return atomic.AddUint64(&x.v, d) }

// And keeps the bits of m and returns the old value.
func (x *Uint64) And(m uint64) uint64 { return atomic.AndUint64(&x.v, m) }

// Or sets the bits of m and returns the old value.
func (x *Uint64) Or(m uint64) uint64 { return atomic.OrUint64(&x.v, m) }

// CompareAndSwap stores v if the value is old and reports whether it did.
func (x *Uint64) CompareAndSwap(old, v uint64) bool { return atomic.CompareAndSwapUint64(&x.v, old, v) }

// Uintptr is an atomic address. It holds addresses of objects outside the Go heap,
// since storing an atomic.Pointer would call the runtime's write barrier.
type Uintptr struct{ v uintptr }

// Load returns the value.
func (x *Uintptr) Load() uintptr { return atomic.LoadUintptr(&x.v) }

// Store sets the value.
func (x *Uintptr) Store(v uintptr) { atomic.StoreUintptr(&x.v, v) }

// CompareAndSwap stores v if the value is old and reports whether it did.
func (x *Uintptr) CompareAndSwap(old, v uintptr) bool {
	return atomic.CompareAndSwapUintptr(&x.v, old, v)
}
