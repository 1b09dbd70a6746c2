// Package memmap makes one memory map of what the firmware, the loader and the kernel
// say about physical memory: sorted, without overlaps, in whole pages.
//
// Layer: core; pure: numbers in, numbers out, no allocation.
// Context: boot CPU, before there is a frame allocator.
// Locks: none.
// Manual: ACPI Specification, "System Address Map Interfaces".
// Chapter: docs/01-boot.md.
// Left out: memory that can be plugged in while the machine runs; NUMA nodes.
package memmap

// Range is a half-open range of physical memory.
type Range struct{ Start, End uint64 }

// Len returns the number of bytes in r.
func (r Range) Len() uint64 {
	if r.End < r.Start {
		return 0
	}
	return r.End - r.Start
}

// MaxPieces is the largest number of ranges in a Set. Linux's table of the firmware's
// map has 128 entries, and a few hundred more on UEFI.
const MaxPieces = 1024

// Set is a set of addresses: ranges that are sorted, not empty, and do not touch each
// other. The zero value is empty.
type Set struct {
	n      int
	pieces [MaxPieces]Range
}

// Pieces returns the ranges. The result is valid until the next change of s.
func (s *Set) Pieces() []Range { return s.pieces[:s.n] }

// Bytes returns the number of addresses in s.
func (s *Set) Bytes() (n uint64) {
	for _, r := range s.Pieces() {
		n += r.Len()
	}
	return n
}

// Add adds the addresses of r. It reports false, and changes nothing, if s would have
// more than MaxPieces ranges then.
func (s *Set) Add(r Range) (ok bool) {
	if r.Len() == 0 {
		return true
	}
	// The ranges from i up to j touch r, and become one range with it.
	i := 0
	for i < s.n && s.pieces[i].End < r.Start {
		i++
	}
	j := i
	for ; j < s.n && s.pieces[j].Start <= r.End; j++ {
		r.Start = min(r.Start, s.pieces[j].Start)
		r.End = max(r.End, s.pieces[j].End)
	}
	if !s.resize(i, j, 1) {
		return false
	}
	s.pieces[i] = r
	return true
}

// Remove removes the addresses of r. It reports false, and changes nothing, if s would
// have more than MaxPieces ranges then: a range that loses its middle becomes two.
func (s *Set) Remove(r Range) (ok bool) {
	if r.Len() == 0 {
		return true
	}
	i := 0
	for i < s.n && s.pieces[i].End <= r.Start {
		i++
	}
	var rest [2]Range // of the ranges from i up to j, which overlap r
	n, j := 0, i
	for ; j < s.n && s.pieces[j].Start < r.End; j++ {
		p := s.pieces[j]
		if p.Start < r.Start {
			rest[n] = Range{p.Start, r.Start}
			n++
		}
		if p.End > r.End {
			rest[n] = Range{r.End, p.End}
			n++
		}
	}
	if !s.resize(i, j, n) {
		return false
	}
	copy(s.pieces[i:], rest[:n])
	return true
}

// resize makes place for n ranges instead of those from i up to j.
func (s *Set) resize(i, j, n int) (ok bool) {
	if s.n-(j-i)+n > MaxPieces {
		return false
	}
	copy(s.pieces[i+n:], s.pieces[j:s.n])
	s.n += n - (j - i)
	return true
}

// trim rounds each range to the whole pages that lie in it.
func (s *Set) trim() {
	n := 0
	for _, r := range s.Pieces() {
		if r = inward(r); r.Len() != 0 {
			s.pieces[n] = r
			n++
		}
	}
	s.n = n
}

// Has reports whether all addresses of r are in s.
func (s *Set) Has(r Range) bool {
	for _, p := range s.Pieces() {
		if r.Start >= p.Start && r.End <= p.End {
			return true
		}
	}
	return false
}
