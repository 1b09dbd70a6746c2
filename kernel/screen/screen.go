// Package screen shows text on the machine's screen: in a framebuffer of any size, or in
// the 80x25 text mode of a VGA.
//
// The text is an array of cells, the shadow. Write changes cells alone, so it is cheap, and
// scrolling is the change of one index. A second array has the cells as the device shows
// them. Next finds cells that differ, some at a time, and Paint draws those: text that
// scrolls away before its turn is never drawn, and nothing is read from the device.
//
// Layer: core; no allocation.
// Context: the caller of Init, Write, Line and Next holds a lock. One CPU at a time paints.
// Locks: none; package console has the lock.
// Manual: Multiboot2 Specification 2.0, "Framebuffer info"; IBM VGA Technical Reference, "Text Modes".
// Chapter: docs/14-screen.md.
// Left out: letters two cells wide, combining letters, right-to-left text, palettes.
package screen

import (
	"unsafe"

	"muster/kernel/abi"
)

// Size of a letter in pixels, before it is doubled.
const (
	FontWidth  = 8
	FontHeight = 16
)

// wide is the width in pixels from which on letters are doubled.
const wide = 2560

// Mode describes the memory of a screen.
type Mode struct {
	Base          uintptr // virtual address
	Width, Height int     // in pixels, or in cells in text mode
	Pitch         int     // bytes from line to line
	Bytes         int     // for each pixel: 3 or 4
	Text          bool    // a cell is a character code and an attribute
	Red           Field
	Green         Field
	Blue          Field
}

// Field is the place of a colour in a pixel, in bits.
type Field struct{ Pos, Size uint8 }

// Kinds of abi.Framebuffer (Multiboot2 Specification 2.0, "Framebuffer info").
const (
	KindPixels = 1
	KindText   = 2
)

// Pixels returns the mode of the loader's framebuffer, without its address.
func Pixels(f *abi.Framebuffer) Mode {
	return Mode{Width: int(f.Width), Height: int(f.Height), Pitch: int(f.Pitch), Bytes: int(f.BitsPerPixel) / 8,
		Red: Field{f.RedPos, f.RedSize}, Green: Field{f.GreenPos, f.GreenSize}, Blue: Field{f.BluePos, f.BlueSize}}
}

// Size returns the number of columns and rows of text.
func (m *Mode) Size() (cols, rows int) {
	if m.Text {
		return m.Width, m.Height
	}
	z := m.zoom()
	return m.Width / (FontWidth * z), m.Height / (FontHeight * z)
}

func (m *Mode) zoom() int {
	if m.Width >= wide {
		return 2
	}
	return 1
}

// cell is a character: the rune in bits 0 to 20, its colours above.
type cell uint32

const (
	runeMask  = 1<<21 - 1
	colorsPos = 21 // bits 0 to 3 the letter's colour, 4 to 7 that of the ground
	colorMask = 0xff
)

func cellOf(r rune, colors uint8) cell { return cell(r)&runeMask | cell(colors)<<colorsPos }

func (x cell) rune() rune { return rune(x & runeMask) }

func (x cell) colors() uint8 { return uint8(x >> colorsPos & colorMask) }

// CellBytes is how much memory Init needs for one character.
const CellBytes = 2 * unsafe.Sizeof(cell(0))

// Screen is text and the device that shows it.
type Screen struct {
	mode       Mode
	zoom       int
	cols, rows int
	cells      []cell // the text; row r is row (top+r)%rows of the array
	shown      []cell // what the device shows, from the upper left corner on
	top        int
	col, row   int // where the next letter goes; col is cols after a letter in the last column
	parser
	wipe    wipe
	at      int // the next cell that Next looks at
	left    int // cells that Next must look at until all is shown
	pairs   [256][4]uint64
	pixels  [16]uint32 // the colours as pixels
	cursorX int        // where the cursor of a text mode is shown
}

// Init makes s show an empty text. memory has room for the mode's cells, CellBytes each.
func (s *Screen) Init(m Mode, memory uintptr) {
	s.mode, s.zoom = m, m.zoom()
	s.cols, s.rows = m.Size()
	n := s.cols * s.rows
	s.cells = unsafe.Slice((*cell)(unsafe.Pointer(memory)), n)
	s.shown = unsafe.Slice((*cell)(unsafe.Pointer(memory+uintptr(n)*unsafe.Sizeof(cell(0)))), n)
	s.top, s.col, s.row, s.at = 0, 0, 0, 0
	s.parser, s.wipe = parser{colors: plain}, wipe{}
	s.cursorX = -1
	s.usePixels()
	blank := cellOf(' ', plain)
	for i := range s.cells {
		s.cells[i], s.shown[i] = blank, blank
	}
	s.clear()
	if s.mode.Text {
		s.Invalidate()
	} else {
		s.changed()
	}
}

// Invalidate makes the device show all cells again.
func (s *Screen) Invalidate() {
	for i := range s.shown {
		s.shown[i] = ^cell(0)
	}
	s.changed()
}

// Repair makes the state one that all functions can go on from. It is for a panic: a CPU
// may have been stopped in the middle of any of them.
func (s *Screen) Repair() {
	s.top, s.row = inside(s.top, s.rows), inside(s.row, s.rows)
	s.col = min(max(s.col, 0), s.cols)
	s.at = inside(s.at, len(s.shown))
	s.parser, s.wipe = parser{colors: s.colors}, wipe{}
	s.Invalidate()
}

func inside(i, n int) int { return min(max(i, 0), n-1) }

// changed says that Next must look at all cells.
func (s *Screen) changed() { s.left = len(s.shown) }

// Rows returns the number of rows of text.
func (s *Screen) Rows() int { return s.rows }

// Cols returns how many letters fit into a line.
func (s *Screen) Cols() int { return s.cols }

// line returns the cells of a row of the text.
func (s *Screen) line(row int) []cell {
	at := s.top + row
	if at >= s.rows {
		at -= s.rows
	}
	return s.cells[at*s.cols : (at+1)*s.cols]
}
