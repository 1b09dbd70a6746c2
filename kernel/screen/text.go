package screen

// Colors, with the numbers of the escape sequences: red is bit 0, green bit 1, blue bit 2,
// and bit 3 makes a colour bright.
const (
	Black uint8 = iota
	Red
	Green
	Yellow
	Blue
	Magenta
	Cyan
	White
	Gray
	BrightRed
	BrightGreen
	BrightYellow
	BrightBlue
	BrightMagenta
	BrightCyan
	BrightWhite
)

// Colors returns a pair of colours: letters and ground.
func Colors(letter, ground uint8) uint8 { return letter&15 | ground<<4 }

// plain is the pair without escape sequences.
const plain = White | Black<<4

// Replacement is shown for bytes that are not UTF-8 and for runes without a glyph.
const Replacement = '\ufffd'

// parser is the state between two bytes of the text.
type parser struct {
	colors   uint8
	state    state
	private  bool // the sequence has a byte such as '?': it is not one of ours
	params   int
	param    [maxParams]int
	need     int  // bytes that the rune still lacks
	partial  rune // its bits so far
	smallest rune // a smaller one has too many bytes
}

type state uint8

const (
	ground  state = iota
	escape        // after ESC
	control       // after ESC [
)

const maxParams = 8

// Costs of Write, in instructions, roughly.
const (
	stepCost = 40_000 // of one call
	byteCost = 60
	cellCost = 4 // of a cell that is cleared
)

// wipe is rows that an escape sequence clears: a screen has more cells than one step may
// clear.
type wipe struct{ row, end int }

// Write adds bytes of UTF-8 with escape sequences to the text, as many as one step allows,
// and returns their number. The byte that clears rows counts when all are clear, so the
// number may be 0.
func (s *Screen) Write(p []byte) (n int) {
	for cost := 0; n < len(p) && cost < stepCost; {
		if s.wipe.row == s.wipe.end {
			cost += byteCost + s.byte(p[n])*cellCost
		} else {
			cost += byteCost + s.wipeRow()*cellCost
		}
		if s.wipe.row == s.wipe.end {
			n++
		}
	}
	if len(p) > 0 {
		s.changed()
	}
	return n
}

// wipeRow clears the next row, and returns how many cells it has cleared.
func (s *Screen) wipeRow() (cleared int) {
	s.erase(s.wipe.row, 0, s.cols)
	s.wipe.row++
	return s.cols
}

// Line adds a line of its own in a pair of colours: head in gray, then the text, which may
// come in two pieces. What the text before has begun, such as an escape sequence, goes on after it.
func (s *Screen) Line(colors uint8, head, text, rest []byte) {
	before := s.parser
	if s.col > 0 {
		s.newline()
	}
	s.parser = parser{colors: Colors(Gray, Black)}
	s.plain(head)
	s.parser = parser{colors: colors}
	s.plain(text)
	s.plain(rest)
	if s.need > 0 {
		s.put(Replacement)
	}
	s.newline()
	s.parser = before
	s.changed()
}

// plain adds text in which control characters have no meaning.
func (s *Screen) plain(p []byte) {
	for _, b := range p {
		if b < ' ' || b == 0x7f {
			s.put(Replacement)
			continue
		}
		s.utf8(b)
	}
}

// SetColors sets the colours of what follows.
func (s *Screen) SetColors(colors uint8) { s.colors = colors }

// byte takes one byte, and returns how many cells were cleared.
func (s *Screen) byte(b byte) (cleared int) {
	switch s.state {
	case escape:
		s.state = ground
		if b == '[' {
			s.state, s.private, s.params = control, false, 0
			s.param = [maxParams]int{}
		}
		return 0
	case control:
		return s.sequence(b)
	}
	if b >= ' ' && b != 0x7f {
		return s.utf8(b)
	}
	if s.need > 0 { // a rune that was cut short
		s.need = 0
		cleared = s.put(Replacement)
	}
	switch b {
	case '\n':
		cleared += s.newline()
	case '\r':
		s.col = 0
	case '\b':
		s.col = max(min(s.col, s.cols-1)-1, 0)
	case '\t':
		s.col = min(s.col&^7+8, s.cols-1)
	case 0x1b:
		s.state = escape
	}
	return cleared
}

// utf8 takes a byte of a rune, and puts the rune when it is complete. Surrogates, runes
// with more bytes than needed, and lone bytes are replaced.
func (s *Screen) utf8(b byte) (cleared int) {
	if s.need > 0 {
		if b&0xc0 == 0x80 {
			s.partial = s.partial<<6 | rune(b&0x3f)
			if s.need--; s.need > 0 {
				return 0
			}
			r := s.partial
			if r < s.smallest || r > 0x10ffff || r >= 0xd800 && r < 0xe000 {
				r = Replacement
			}
			return s.put(r)
		}
		s.need = 0
		cleared = s.put(Replacement)
	}
	switch {
	case b < 0x80:
		return cleared + s.put(rune(b))
	case b >= 0xc2 && b < 0xe0:
		s.need, s.partial, s.smallest = 1, rune(b&0x1f), 0x80
	case b >= 0xe0 && b < 0xf0:
		s.need, s.partial, s.smallest = 2, rune(b&0xf), 0x800
	case b >= 0xf0 && b < 0xf5:
		s.need, s.partial, s.smallest = 3, rune(b&7), 0x10000
	default:
		return cleared + s.put(Replacement)
	}
	return cleared
}

// put writes one letter. A line that is full goes on in the next row when another letter
// comes, as on other terminals.
func (s *Screen) put(r rune) (cleared int) {
	if s.col >= s.cols {
		cleared = s.newline()
	}
	s.line(s.row)[s.col] = cellOf(r, s.colors)
	s.col++
	return cleared
}

// newline goes to the first column of the next row, and scrolls if there is none.
func (s *Screen) newline() (cleared int) {
	s.col = 0
	if s.row < s.rows-1 {
		s.row++
		return 0
	}
	if s.top++; s.top == s.rows {
		s.top = 0
	}
	s.erase(s.row, 0, s.cols)
	return s.cols
}

// erase clears the cells of a row from one column up to another.
func (s *Screen) erase(row, from, to int) {
	line := s.line(row)[from:to]
	blank := cellOf(' ', s.colors&0xf0|plain&0xf)
	for i := range line {
		line[i] = blank
	}
}

// sequence takes a byte of an escape sequence after ESC [.
func (s *Screen) sequence(b byte) (cleared int) {
	switch {
	case b >= '0' && b <= '9':
		if s.params == 0 {
			s.params = 1
		}
		if s.params <= maxParams {
			p := &s.param[s.params-1]
			*p = min(*p*10+int(b-'0'), 9999)
		}
		return 0
	case b == ';':
		s.params = min(max(s.params, 1)+1, maxParams+1)
		return 0
	case b >= 0x20 && b < 0x40: // marks of sequences that are not ours
		s.private = true
		return 0
	case b == 0x1b:
		s.state = escape
		return 0
	}
	s.state = ground
	if s.private || b < 0x40 {
		return 0
	}
	return s.command(b)
}

// command does what an escape sequence says (ECMA-48, "Definitions of control functions").
func (s *Screen) command(b byte) (cleared int) {
	n := max(s.param[0], 1)
	col := min(s.col, s.cols-1)
	switch b {
	case 'A':
		s.row = max(s.row-n, 0)
	case 'B':
		s.row = min(s.row+n, s.rows-1)
	case 'C':
		s.col = min(col+n, s.cols-1)
	case 'D':
		s.col = max(col-n, 0)
	case 'G':
		s.col = min(n, s.cols) - 1
	case 'H', 'f':
		s.row, s.col = min(n, s.rows)-1, min(max(s.param[1], 1), s.cols)-1
	case 'J':
		return s.eraseDisplay(col)
	case 'K':
		return s.eraseLine(col)
	case 'm':
		for i := range min(max(s.params, 1), maxParams) {
			s.rendition(s.param[i])
		}
	}
	return 0
}

// extent returns the range that an erasing sequence means: from here on, up to here, or
// all of n.
func (s *Screen) extent(here, n int) (from, to int) {
	switch s.param[0] {
	case 0:
		return here, n
	case 1:
		return 0, here + 1
	}
	return 0, n
}

func (s *Screen) eraseLine(col int) (cleared int) {
	from, to := s.extent(col, s.cols)
	s.erase(s.row, from, to)
	return to - from
}

// eraseDisplay clears a part of the cursor's row, and leaves the others to Write.
func (s *Screen) eraseDisplay(col int) (cleared int) {
	from, to := s.extent(s.row, s.rows)
	switch {
	case from == s.row:
		from++
	case to == s.row+1:
		to--
	default: // all rows: the cursor's one is among them
		s.wipe = wipe{from, to}
		return 0
	}
	s.wipe = wipe{from, to}
	return s.eraseLine(col)
}

// rendition sets colours: SGR of ECMA-48, and the bright ones that all terminals have.
func (s *Screen) rendition(p int) {
	letter, ground := s.colors&0xf, s.colors>>4
	switch {
	case p == 0:
		letter, ground = plain&0xf, plain>>4
	case p == 1:
		letter |= 8
	case p == 22:
		letter &^= 8
	case p == 7 || p == 27:
		letter, ground = ground, letter
	case p >= 30 && p <= 37:
		letter = letter&8 | uint8(p-30)
	case p == 39:
		letter = plain & 0xf
	case p >= 40 && p <= 47:
		ground = uint8(p - 40)
	case p == 49:
		ground = plain >> 4
	case p >= 90 && p <= 97:
		letter = uint8(p-90) | 8
	case p >= 100 && p <= 107:
		ground = uint8(p-100) | 8
	}
	s.colors = Colors(letter, ground)
}
