package console

// Line is one line of text, built without the heap. What does not fit is cut.
type Line struct {
	n   int
	buf [224]byte
}

// Str appends s.
func (l *Line) Str(s string) *Line {
	for i := range min(len(s), len(l.buf)-l.n) { // copy would use vector registers
		l.buf[l.n+i] = s[i]
	}
	l.n = min(len(l.buf), l.n+len(s))
	return l
}

// Byte appends one byte.
func (l *Line) Byte(b byte) *Line {
	if l.n < len(l.buf) {
		l.buf[l.n] = b
		l.n++
	}
	return l
}

// Dec appends v in decimal.
func (l *Line) Dec(v uint64) *Line { return l.number(v, 10, 1) }

// Hex appends v in hexadecimal, with 0x.
func (l *Line) Hex(v uint64) *Line { return l.Str("0x").number(v, 16, 1) }

// Hex16 appends all 16 hexadecimal digits of v.
func (l *Line) Hex16(v uint64) *Line { return l.number(v, 16, 16) }

// DecPad appends v in decimal, at least width wide, padded with spaces.
func (l *Line) DecPad(v uint64, width int) *Line {
	digits := 1
	for x := v; x >= 10; x /= 10 {
		digits++
	}
	for ; digits < width; width-- {
		l.Byte(' ')
	}
	return l.Dec(v)
}

// number appends v in a base of at most 16, with at least width digits.
func (l *Line) number(v, base uint64, width int) *Line {
	var digits [20]byte
	i := len(digits)
	for v > 0 || width > 0 {
		i--
		digits[i] = "0123456789abcdef"[v%base]
		v /= base
		width--
	}
	for ; i < len(digits); i++ {
		l.Byte(digits[i])
	}
	return l
}

// Bytes returns the text; it is valid until the next append.
func (l *Line) Bytes() []byte { return l.buf[:l.n] }
