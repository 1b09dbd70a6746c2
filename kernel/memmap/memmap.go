package memmap

import (
	"muster/kernel/abi"
	"muster/kernel/layout"
)

// Map is the memory map that the kernel works with. Both sets consist of whole pages,
// and the second is a part of the first.
type Map struct {
	RAM     Set // what the direct map maps
	Free    Set // of it, what nothing occupies
	Ignored int // entries that cannot mean anything: no length, or an end beyond 2^64
}

// Limit is the end of the physical memory that the frame allocator's numbers can
// express: 2^32 pages without the last one.
const Limit = 1<<(32+layout.PageShift) - layout.PageSize

// Build makes m from n entries of the firmware's map, in any order. Of two entries
// that overlap, the one that is not RAM wins. RAM at or above limit is left out. entry
// returns entry i, the same each time. Build reports false if m has no room for all
// pieces; m is then of no use.
//
// A page of which a part is not RAM is not RAM.
func (m *Map) Build(n int, entry func(i int) abi.Region, limit uint64) (ok bool) {
	limit = min(limit, Limit)
	for i := range n {
		r, known := bounds(entry(i), limit)
		if !known {
			m.Ignored++
		} else if entry(i).Type == abi.RegionRAM && !m.RAM.Add(r) {
			return false
		}
	}
	for i := range n {
		if r, known := bounds(entry(i), limit); known && entry(i).Type != abi.RegionRAM && !m.RAM.Remove(r) {
			return false
		}
	}
	m.RAM.trim()
	m.Free = m.RAM
	return true
}

// Occupy takes the pages that r touches out of the free ones: something lies there that
// must stay. It reports false if m has no room for the pieces.
func (m *Map) Occupy(r Range) (ok bool) {
	if r.Len() == 0 {
		return true
	}
	return m.Free.Remove(outward(r))
}

// Largest returns the largest free range between two addresses; it is empty if nothing
// is free there.
func (m *Map) Largest(from, to uint64) (best Range) {
	for _, r := range m.Free.Pieces() {
		if r = (Range{max(r.Start, from), min(r.End, to)}); r.Len() > best.Len() {
			best = r
		}
	}
	return best
}

// The places that Aside looks at.
const (
	asideHighest = 2 << 30
	asideLowest  = 16 << 20
)

// Aside takes n bytes out of the RAM, at a place whose contents survive a reset, and returns the
// range. ok is false if there is no such place. With the same map of the firmware and the same
// ranges occupied, the result is the same, so the next boot finds the place again.
//
// The place is a power of two, the largest one with as much RAM above it below 4 GiB, if it
// is free. Firmware works at both ends of RAM: SeaBIOS and OVMF at the top, OVMF unpacks
// itself between 8 and 32 MiB, and GRUB's heap begins at the top too. Loaders put the
// kernel at 2 MiB, and its modules after it or at the top.
func (m *Map) Aside(n uint64) (r Range, ok bool) {
	top := uint64(0)
	for _, p := range m.RAM.Pieces() {
		if p.Start < 4<<30 {
			top = min(p.End, 4<<30)
		}
	}
	for at := uint64(asideHighest); at >= asideLowest; at >>= 1 {
		r = outward(Range{at, at + n})
		if 2*at <= top && m.Free.Has(r) {
			return r, m.Free.Remove(r) && m.RAM.Remove(r)
		}
	}
	return Range{}, false
}

// bounds returns the part of an entry below limit. ok is false if the entry means
// nothing.
func bounds(e abi.Region, limit uint64) (r Range, ok bool) {
	last := e.Start + e.Length - 1
	if e.Length == 0 || last < e.Start {
		return r, false
	}
	return Range{min(e.Start, limit), min(last, limit-1) + 1}, true
}

const inPage = layout.PageSize - 1

// inward returns the whole pages in r, which ends below 2^63.
func inward(r Range) Range { return Range{(r.Start + inPage) &^ inPage, r.End &^ inPage} }

// outward returns the pages that r touches. Addresses near 2^64 are cut off.
func outward(r Range) Range {
	return Range{r.Start &^ inPage, (min(r.End, Limit) + inPage) &^ inPage}
}
