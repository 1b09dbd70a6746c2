package screen

import (
	"unsafe"

	"muster/kernel/cpu"
	"muster/kernel/mmio"
)

// The text mode of a VGA (IBM VGA Technical Reference).
const (
	// TextAddress is the physical address of the cells, and TextBytes their size.
	TextAddress = 0xb8000
	TextBytes   = TextCols * TextRows * 2
	TextCols    = 80
	TextRows    = 25

	graphicsIndex = 0x3ce
	graphicsData  = 0x3cf
	graphicsMisc  = 6 // index

	miscGraphics  = 1 << 0
	miscMap       = 3 << 2
	miscMapText   = 3 << 2 // 32 KiB from 0xb8000 on
	crtcIndex     = 0x3d4
	crtcData      = 0x3d5
	crtcCursorTop = 0xa
	crtcCursorEnd = 0xb
	crtcCursorHi  = 0xe
	crtcCursorLo  = 0xf
	cursorTop     = 13 // lines of the cell: an underline
	cursorEnd     = 14
	cursorKeep    = 0xc0 // bits of the two registers that are not the line
)

// TextMode returns the text mode of 80x25 cells whose memory is mapped at base.
func TextMode(base uintptr) Mode {
	return Mode{Base: base, Width: TextCols, Height: TextRows, Pitch: TextCols * 2, Bytes: 2, Text: true}
}

// HasText reports whether a VGA is there and shows text: its registers say so, and its
// memory, mapped at base, keeps what is written.
func HasText(base uintptr) bool {
	cpu.Out8(graphicsIndex, graphicsMisc)
	if v := cpu.In8(graphicsData); v == 0xff || v&miscGraphics != 0 || v&miscMap != miscMapText {
		return false
	}
	before := mmio.Load16(base)
	mmio.Store16(base, ^before)
	kept := mmio.Load16(base) == ^before
	mmio.Store16(base, before)
	return kept
}

// paintText writes cells of a text mode, and moves its cursor. Four cells at an aligned address are one
// store: this memory is slow, on a bus as in an emulator.
func (s *Screen) paintText(r *Run) {
	at := s.mode.Base + uintptr(r.row*s.mode.Pitch+r.col*2)
	for i := 0; i < r.n; {
		if at&7 == 0 && i+4 <= r.n {
			x := r.cells[i : i+4]
			*(*uint64)(unsafe.Pointer(at)) = textCell(x[0]) | textCell(x[1])<<16 | textCell(x[2])<<32 | textCell(x[3])<<48
			at, i = at+8, i+4
			continue
		}
		*(*uint16)(unsafe.Pointer(at)) = uint16(textCell(r.cells[i]))
		at, i = at+2, i+1
	}
	if r.cursor >= 0 {
		moveCursor(uint16(r.cursor))
	}
}

// textCell returns a cell as a text mode has it: the character's code, and its colours above.
func textCell(x cell) uint64 {
	return uint64(glyphOf(x.rune()).Code) | uint64(attribute(x.colors()))<<8
}

// attribute returns colours as a VGA has them: red and blue have changed places, and the
// ground is never bright, which would be blinking.
func attribute(colors uint8) uint8 {
	swap := func(c uint8) uint8 { return c&0xa | c&1<<2 | c>>2&1 }
	return swap(colors&0xf) | swap(colors>>4)&7<<4
}

func moveCursor(at uint16) {
	set := func(index, v uint8) {
		cpu.Out8(crtcIndex, index)
		cpu.Out8(crtcData, v)
	}
	get := func(index uint8) uint8 {
		cpu.Out8(crtcIndex, index)
		return cpu.In8(crtcData)
	}
	set(crtcCursorTop, get(crtcCursorTop)&cursorKeep|cursorTop)
	set(crtcCursorEnd, cursorEnd)
	set(crtcCursorHi, uint8(at>>8))
	set(crtcCursorLo, uint8(at))
}
