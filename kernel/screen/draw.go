package screen

import "unsafe"

// palette has the colours, eight bits each of red, green and blue.
var palette = [16]uint32{
	0x000000, 0xd05050, 0x50b050, 0xc0a040, 0x5080e0, 0xb060c0, 0x40b0b0, 0xc8c8c8,
	0x909090, 0xff6060, 0x70e070, 0xffe060, 0x80b0ff, 0xff80ff, 0x70f0f0, 0xffffff,
}

// part returns the bits of a colour of 8 bits in a field.
func (f Field) part(v uint32) uint32 {
	return v & 0xff >> (8 - f.Size) << f.Pos
}

// pixel returns a colour as the device has it.
func (m *Mode) pixel(rgb uint32) uint32 {
	return m.Red.part(rgb>>16) | m.Green.part(rgb>>8) | m.Blue.part(rgb)
}

// usePixels fills in the tables for the mode: the pixels of the colours, and for each pair
// of colours the four pairs of pixels that two bits of a glyph can mean.
func (s *Screen) usePixels() {
	for i, rgb := range palette {
		s.pixels[i] = s.mode.pixel(rgb)
	}
	for i := range s.pairs {
		letter, ground := uint64(s.pixels[i&15]), uint64(s.pixels[i>>4])
		s.pairs[i] = [4]uint64{ground | ground<<32, ground | letter<<32, letter | ground<<32, letter | letter<<32}
	}
}

// MaxRun is the most cells of one step.
const MaxRun = 64

// Run is cells of one row that are to be drawn, from one column on.
type Run struct {
	row, col, n int
	cells       [MaxRun]cell
	cursor      int // of a text mode: the cell where the cursor goes; -1 if it is there
}

// stepCells bounds the cells that one step compares, 20,000 instructions.
const stepCells = 512

// room returns how many cells one step draws, 35,000 instructions. A doubled cell has four times
// the pixels, and pixels of three bytes are stored byte by byte.
func (s *Screen) room() int {
	n := MaxRun
	if s.zoom == 2 {
		n /= 8
	}
	if !s.mode.Text && s.mode.Bytes == 3 {
		n /= 8
	}
	return n
}

// Next looks for cells that the device does not show yet, and takes some of them into r, for
// Paint. It reports whether there may be more.
//
// Context: the lock of the text held.
func (s *Screen) Next(r *Run) (more bool) {
	r.n, r.cursor = 0, -1
	room := s.room()
	cursor := s.row*s.cols + min(s.col, s.cols-1)
	row, col := s.at/s.cols, s.at%s.cols
	line := s.line(row)
	for looked := 0; looked < stepCells && s.left > 0; looked++ {
		x := line[col]
		if s.at == cursor && !s.mode.Text {
			x = cellOf(x.rune(), x.colors()>>4|x.colors()<<4)
		}
		switch {
		case x != s.shown[s.at]:
			if r.n == 0 {
				r.row, r.col = row, col
			}
			s.shown[s.at] = x
			r.cells[r.n] = x
			r.n++
		case r.n > 0: // the run ends here
			looked = stepCells
		}
		s.at++
		s.left--
		if col++; col == s.cols {
			col = 0
			if row++; row == s.rows {
				row, s.at = 0, 0
			}
			line = s.line(row)
			if r.n > 0 {
				break
			}
		}
		if r.n == room {
			break
		}
	}
	if s.mode.Text && cursor != s.cursorX {
		s.cursorX, r.cursor = cursor, cursor
	}
	return s.left > 0
}

// Paint draws the cells of a run.
//
// Context: one CPU at a time.
func (s *Screen) Paint(r *Run) {
	switch {
	case s.mode.Text:
		s.paintText(r)
	case s.mode.Bytes == 4:
		s.paint32(r)
	default:
		s.paint24(r)
	}
}

// Show draws everything. It takes as long as it takes.
//
// Context: as Next and Paint.
func (s *Screen) Show() {
	var r Run
	for more := true; more; {
		more = s.Next(&r)
		s.Paint(&r)
	}
}

func (s *Screen) lineAddr(r *Run) uintptr {
	return s.mode.Base + uintptr(r.row*FontHeight*s.zoom*s.mode.Pitch+r.col*FontWidth*s.zoom*s.mode.Bytes)
}

// paint32 draws line by line through all cells of the run: stores to consecutive addresses
// leave the CPU as whole lines of the cache when they are combined.
func (s *Screen) paint32(r *Run) {
	var glyphs [MaxRun]*Glyph
	for i := range r.n {
		glyphs[i] = glyphOf(r.cells[i].rune())
	}
	at := s.lineAddr(r)
	for y := range FontHeight {
		for range s.zoom {
			to := at
			for i := range r.n {
				bits := glyphs[i&(MaxRun-1)].Rows[y]
				pair := &s.pairs[r.cells[i&(MaxRun-1)].colors()]
				if s.zoom == 1 {
					out := (*[4]uint64)(unsafe.Pointer(to))
					out[0], out[1] = pair[bits>>6], pair[bits>>4&3]
					out[2], out[3] = pair[bits>>2&3], pair[bits&3]
					to += 4 * 8
					continue
				}
				out := (*[8]uint64)(unsafe.Pointer(to))
				for x := range 8 {
					out[x] = pair[bits>>7*3]
					bits <<= 1
				}
				to += 8 * 8
			}
			at += uintptr(s.mode.Pitch)
		}
	}
}

// paint24 draws pixels of three bytes.
func (s *Screen) paint24(r *Run) {
	at := s.lineAddr(r)
	for y := range FontHeight {
		for range s.zoom {
			to := at
			for i := range r.n {
				x := r.cells[i]
				letter, ground := s.pixels[x.colors()&15], s.pixels[x.colors()>>4]
				bits := glyphOf(x.rune()).Rows[y]
				for range FontWidth {
					v := ground
					if bits&0x80 != 0 {
						v = letter
					}
					bits <<= 1
					for range s.zoom {
						store24(to, v)
						to += 3
					}
				}
			}
			at += uintptr(s.mode.Pitch)
		}
	}
}

func store24(to uintptr, v uint32) {
	out := (*[3]byte)(unsafe.Pointer(to))
	out[0], out[1], out[2] = byte(v), byte(v>>8), byte(v>>16)
}

// clear makes all pixels of the device black, those beside the text included.
func (s *Screen) clear() {
	if s.mode.Text {
		return
	}
	for y := range s.mode.Height {
		at := s.mode.Base + uintptr(y*s.mode.Pitch)
		n := uintptr(s.mode.Width * s.mode.Bytes)
		i := uintptr(0)
		for ; i+8 <= n; i += 8 {
			*(*uint64)(unsafe.Pointer(at + i)) = 0
		}
		for ; i < n; i++ {
			*(*byte)(unsafe.Pointer(at + i)) = 0
		}
	}
}
