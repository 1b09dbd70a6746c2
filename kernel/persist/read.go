package persist

import "muster/kernel/mmio"

// Outcome says whether a range has something, and why not.
type Outcome uint8

// Outcomes.
const (
	Kept        Outcome = iota
	NoHeader            // nothing of Muster's: the power was off, or the memory was used meanwhile
	BadChecksum         // a header is damaged
	OtherKernel         // a header of another version
)

// Reader goes through the records of a range, those of the log first and then those of the
// report, each in the order in which they were written.
type Reader struct {
	Outcome Outcome
	Boot    uint32 // number of the boot that wrote them
	Damaged int    // banks whose records end with a damaged one, so far

	b     []byte
	order [banks]int // numbers of banks
	count int
	at    int // index in order
	off   int // in the bank
}

// Record is one line.
type Record struct {
	Kind  Kind
	Level uint8
	CPU   uint32
	NS    uint64
	Text  []byte // of the range, any bytes
}

// Open looks at the headers in b, a copy of a range.
func Open(b []byte) Reader {
	r := Reader{Outcome: NoHeader, b: b}
	if len(b) < Size {
		return r
	}
	epoch := [banks]uint32{}
	for i := range banks {
		n, e, o := readHeader(b, i)
		if o != Kept {
			if o > r.Outcome && r.count == 0 {
				r.Outcome = o
			}
			continue
		}
		if r.count > 0 && n != r.Boot {
			if n < r.Boot {
				continue // of an earlier boot
			}
			r.count = 0
		}
		r.Outcome, r.Boot = Kept, n
		epoch[i] = e
		r.order[r.count] = i
		r.count++
	}
	if r.count >= 2 && r.order[1] == 1 && epoch[1] < epoch[0] {
		r.order[0], r.order[1] = 1, 0
	}
	r.off = headWords * 4
	return r
}

// readHeader reads the header of a bank.
func readHeader(b []byte, i int) (number, epoch uint32, o Outcome) {
	word := func(k int) uint32 { return word(b, i*BankSize+k*4) }
	if word(headMagic) != magic {
		return 0, 0, NoHeader
	}
	s := newSum
	for k := headVersion; k < headSum; k++ {
		s = s.add(word(k))
	}
	switch {
	case s.end() != word(headSum) || word(headBank) != uint32(i):
		return 0, 0, BadChecksum
	case word(headVersion) != version:
		return 0, 0, OtherKernel
	}
	return word(headBoot), word(headEpoch), Kept
}

// Next reads the next record. ok is false after the last one.
func (r *Reader) Next(out *Record) (ok bool) {
	for ; r.at < r.count; r.at, r.off = r.at+1, headWords*4 {
		start := r.order[r.at] * BankSize
		n, end := r.record(start, out)
		if n > 0 {
			r.off += n
			return true
		}
		if !end {
			r.Damaged++
		}
	}
	return false
}

// record reads the record at r.off of the bank that begins at start, and returns its length
// in bytes, 0 for none. end says that the bank ends there as it should.
func (r *Reader) record(start int, out *Record) (bytes int, end bool) {
	if r.off+4 > BankSize {
		return 0, false
	}
	var head [recWords]uint32
	if head[recHead] = word(r.b, start+r.off); head[recHead] == 0 {
		return 0, true
	}
	n := int(head[recHead] & 0xffff)
	bytes = recWords*4 + (n+3)&^3
	if n > MaxText || r.off+bytes > BankSize {
		return 0, false
	}
	for i := range head {
		head[i] = word(r.b, start+r.off+i*4)
	}
	s := recordSum(word(r.b, start+headEpoch*4), uint32(r.off), &head)
	text := start + r.off + recWords*4
	for i := 0; i < n; i += 4 {
		s = s.add(word(r.b, text+i))
	}
	if s.end() != head[recSum] {
		return 0, false
	}
	*out = Record{Kind: Kind(head[recHead] >> 16), Level: uint8(head[recHead] >> 24), CPU: head[recCPU],
		NS: uint64(head[recTimeLow]) | uint64(head[recTimeHigh])<<32, Text: r.b[text : text+n]}
	return bytes, true
}

// word reads a word of 32 bits, the lowest byte first.
func word(b []byte, at int) uint32 {
	return uint32(b[at]) | uint32(b[at+1])<<8 | uint32(b[at+2])<<16 | uint32(b[at+3])<<24
}

// Begun reports whether a bank of the range at va seems to have a header.
func Begun(va uintptr) bool {
	for i := range uintptr(banks) {
		if mmio.Load32(va+i*BankSize) == magic {
			return true
		}
	}
	return false
}
