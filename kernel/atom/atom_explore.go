//go:build explore

package atom

// Step is what a CPU is about to do.
type Step uint8

// Steps.
const (
	Read  Step = iota // load a word
	Write             // change a word, or try to
	Wait              // Pause: one more turn of a spin loop
)

// Hook is called before every step. Package explore sets it.
var Hook func(Step)

func read() {
	if Hook != nil {
		Hook(Read)
	}
}

func write() {
	if Hook != nil {
		Hook(Write)
	}
}

// Pause lets others run: nothing that this CPU does itself can end the wait.
func Pause() {
	if Hook != nil {
		Hook(Wait)
	}
}

// Uint32 is an atomic 32-bit word under the explorer's control.
type Uint32 struct{ v uint32 }

// Uint64 is an atomic 64-bit word under the explorer's control.
type Uint64 struct{ v uint64 }

// Uintptr is an atomic address under the explorer's control.
type Uintptr struct{ v uintptr }

// Load returns the value.
func (x *Uint32) Load() uint32 { read(); return x.v }

// Store sets the value.
func (x *Uint32) Store(v uint32) { write(); x.v = v }

// Swap sets the value and returns the old one.
func (x *Uint32) Swap(v uint32) uint32 { write(); old := x.v; x.v = v; return old }

// Add adds d and returns the sum.
func (x *Uint32) Add(d uint32) uint32 { write(); x.v += d; return x.v }

// And keeps the bits of m and returns the old value.
func (x *Uint32) And(m uint32) uint32 { write(); old := x.v; x.v &= m; return old }

// Or sets the bits of m and returns the old value.
func (x *Uint32) Or(m uint32) uint32 { write(); old := x.v; x.v |= m; return old }

// CompareAndSwap stores v if the value is old and reports whether it did.
func (x *Uint32) CompareAndSwap(old, v uint32) bool {
	write()
	if x.v != old {
		return false
	}
	x.v = v
	return true
}

// Load returns the value.
func (x *Uint64) Load() uint64 { read(); return x.v }

// Store sets the value.
func (x *Uint64) Store(v uint64) { write(); x.v = v }

// Swap sets the value and returns the old one.
func (x *Uint64) Swap(v uint64) uint64 { write(); old := x.v; x.v = v; return old }

// Add adds d and returns the sum.
func (x *Uint64) Add(d uint64) uint64 { write(); x.v += d; return x.v }

// And keeps the bits of m and returns the old value.
func (x *Uint64) And(m uint64) uint64 { write(); old := x.v; x.v &= m; return old }

// Or sets the bits of m and returns the old value.
func (x *Uint64) Or(m uint64) uint64 { write(); old := x.v; x.v |= m; return old }

// CompareAndSwap stores v if the value is old and reports whether it did.
func (x *Uint64) CompareAndSwap(old, v uint64) bool {
	write()
	if x.v != old {
		return false
	}
	x.v = v
	return true
}

// Load returns the value.
func (x *Uintptr) Load() uintptr { read(); return x.v }

// Store sets the value.
func (x *Uintptr) Store(v uintptr) { write(); x.v = v }

// Swap sets the value and returns the old one.
func (x *Uintptr) Swap(v uintptr) uintptr { write(); old := x.v; x.v = v; return old }

// CompareAndSwap stores v if the value is old and reports whether it did.
func (x *Uintptr) CompareAndSwap(old, v uintptr) bool {
	write()
	if x.v != old {
		return false
	}
	x.v = v
	return true
}
