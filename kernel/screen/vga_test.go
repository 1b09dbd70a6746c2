package screen

import (
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"
)

// A VGA has red and blue the other way round, and blinks where the ground is bright.
func TestAttribute(t *testing.T) {
	for colors, want := range map[uint8]uint8{
		Colors(White, Black):         0x07,
		Colors(BrightWhite, Red):     0x4f,
		Colors(BrightRed, Blue):      0x1c,
		Colors(Yellow, BrightYellow): 0x66,
		Colors(Blue, Cyan):           0x31,
	} {
		require.Equal(t, want, attribute(colors))
	}
}

// Cells of a text mode have the codes of code page 437.
func TestTextCells(t *testing.T) {
	memory := make([]uint16, TextCols*TextRows)
	cells := make([]uint64, len(memory)*int(CellBytes)/8)
	var s Screen
	s.Init(TextMode(uintptr(unsafe.Pointer(&memory[0]))), uintptr(unsafe.Pointer(&cells[0])))
	s.Write([]byte("\x1b[2;3HAé█\x1b[91m世\x1b[m"))
	var r Run
	for more := true; more; {
		more = s.Next(&r)
		r.cursor = -1 // a host has no ports
		s.Paint(&r)
	}
	require.Equal(t, []uint16{0x0720, 0x0741, 0x0782, 0x07db, 0x0cfe, 0x0720}, memory[TextCols+1:TextCols+7])
	require.Equal(t, uint16(0x0720), memory[0])
}

// A ground is never bright, because a VGA would blink.
func TestAttributeDoesNotBlink(t *testing.T) {
	for colors := range 256 {
		require.Zero(t, attribute(uint8(colors))&0x80)
	}
}

// A run of any length from any column on changes its own cells alone.
func TestTextRuns(t *testing.T) {
	words := make([]uint64, 8) // aligned as the device's memory is
	memory := unsafe.Slice((*uint16)(unsafe.Pointer(&words[0])), 4*len(words))
	s := Screen{mode: TextMode(uintptr(unsafe.Pointer(&memory[0])))}
	for col := range 9 {
		for n := range 15 {
			clear(words)
			want := make([]uint16, len(memory))
			r := Run{col: col, n: n, cursor: -1}
			for i := range n {
				r.cells[i] = cellOf(rune('a'+i), Colors(BrightRed, Blue))
				want[col+i] = 0x1c00 | uint16('a'+i)
			}
			s.Paint(&r)
			require.Equal(t, want, memory, "column %d, %d cells", col, n)
		}
	}
}
