package shell

import (
	"strings"

	"muster/kernel/screen"
)

// Colours of a banner, as escape sequences.
const (
	green = "\x1b[92m"
	red   = "\x1b[91m"
	plain = "\x1b[m"
)

// banner returns a word in large letters, and the number of lines: a pixel of the screen's font
// is half a cell of the text, or zoom times as much in both directions.
func banner(word, color string, zoom int) (text string, lines int) {
	pixels := enlarge(bitmap(word), zoom)
	var b strings.Builder
	for y := 0; y < len(pixels); y, lines = y+2, lines+1 {
		var line strings.Builder
		for x, upper := range pixels[y] {
			lower := y+1 < len(pixels) && pixels[y+1][x]
			line.WriteRune(halves[bit(upper)|bit(lower)<<1])
		}
		b.WriteString(color + strings.TrimRight(line.String(), " ") + plain + "\n")
	}
	return b.String(), lines
}

// halves are the cells with no half, the upper, the lower, and both.
var halves = [4]rune{' ', '▀', '▄', '█'}

func bit(set bool) int {
	if set {
		return 1
	}
	return 0
}

// bitmap returns the pixels of a word in the screen's font, without empty rows above and below.
func bitmap(word string) (rows [][]bool) {
	for y := range screen.FontHeight {
		var row []bool
		any := false
		for _, r := range word {
			for x := range screen.FontWidth {
				set := glyph(r).Rows[y]<<x&0x80 != 0
				row, any = append(row, set), any || set
			}
		}
		if any {
			rows = append(rows, row)
		}
	}
	return rows
}

// glyph returns the bitmap of a letter, or that of the space.
func glyph(r rune) *screen.Glyph {
	for i := range screen.Font {
		if screen.Font[i].Rune == r {
			return &screen.Font[i]
		}
	}
	return &screen.Font[0]
}

// enlarge makes each pixel a square of zoom by zoom.
func enlarge(rows [][]bool, zoom int) (out [][]bool) {
	for _, row := range rows {
		var wide []bool
		for _, set := range row {
			for range zoom {
				wide = append(wide, set)
			}
		}
		for range zoom {
			out = append(out, wide)
		}
	}
	return out
}
