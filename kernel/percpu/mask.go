package percpu

import (
	"math/bits"
	"unsafe"

	"muster/kernel/atom"
)

// Mask is a set of CPU numbers, as large as its memory allows. All methods are
// atomic for each word.
type Mask struct {
	base uintptr // *[words]atom.Uint64
	n    uint32  // CPU numbers below n fit
}

// MaskBytes returns the memory that a mask for n CPUs needs, in bytes.
func MaskBytes(n uint32) uintptr { return uintptr(n+63) / 64 * 8 }

// Init gives the mask zeroed memory for the numbers below n.
func (m *Mask) Init(base uintptr, n uint32) { m.base, m.n = base, n }

// Memory returns what Init was given.
func (m *Mask) Memory() unsafe.Pointer { return unsafe.Pointer(m.base) }

func (m *Mask) word(i uint32) *atom.Uint64 {
	return (*atom.Uint64)(unsafe.Pointer(m.base + uintptr(i)*8))
}

// Set adds a CPU.
func (m *Mask) Set(id uint32) { m.word(id / 64).Or(1 << (id % 64)) }

// Clear removes a CPU and reports whether it was in the set. If several callers
// remove the same CPU, one gets true.
func (m *Mask) Clear(id uint32) bool {
	return m.word(id/64).And(^uint64(1<<(id%64)))>>(id%64)&1 != 0
}

// Has reports whether a CPU is in the set.
func (m *Mask) Has(id uint32) bool {
	return id < m.n && m.word(id/64).Load()>>(id%64)&1 != 0
}

// IsEmpty reports whether the set is empty and has room for at most 64 CPUs: the case in which one load says so.
func (m *Mask) IsEmpty() bool { return m.n <= 64 && m.word(0).Load() == 0 }

// Next returns the lowest member from id on. ok is false when there is no such
// member.
func (m *Mask) Next(id uint32) (next uint32, ok bool) {
	for id < m.n {
		w := m.word(id/64).Load() >> (id % 64)
		if w != 0 {
			return id + uint32(bits.TrailingZeros64(w)), true
		}
		id = (id/64 + 1) * 64
	}
	return 0, false
}

// NextOf is Next for the members that another set has, too.
func (m *Mask) NextOf(other *Mask, id uint32) (next uint32, ok bool) {
	for id < m.n && id < other.n {
		w := (m.word(id/64).Load() & other.word(id/64).Load()) >> (id % 64)
		if w != 0 {
			return id + uint32(bits.TrailingZeros64(w)), true
		}
		id = 64 * (id/64 + 1)
	}
	return 0, false
}

// Word returns the members from 64*i on, in a word, and SetWord sets them: those below n are to be members alone.
func (m *Mask) Word(i uint32) uint64 {
	if 64*i >= m.n {
		return 0
	}
	return m.word(i).Load()
}

// SetWord sets what Word returns.
func (m *Mask) SetWord(i uint32, w uint64) { m.word(i).Store(w) }
