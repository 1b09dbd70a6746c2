// Package picture reads text off pictures of a screen. It compares each cell with the
// letters of a font, pixel by pixel, and not a picture with another one.
//
// Layer: host tests.
// Context: any goroutine.
// Locks: none.
// Chapter: docs/14-screen.md.
package picture

import (
	"bufio"
	"fmt"
	"io"
	"strings"
)

// Picture is pixels, eight bits each of red, green and blue.
type Picture struct {
	Width, Height int
	At            func(x, y int) uint32
}

// ReadPPM reads a picture in the format that QEMU's screendump writes.
func ReadPPM(r io.Reader) (Picture, error) {
	in := bufio.NewReader(r)
	var w, h, most int
	if _, err := fmt.Fscanf(in, "P6\n%d %d\n%d\n", &w, &h, &most); err != nil {
		return Picture{}, fmt.Errorf("picture: no head of a PPM file: %w", err)
	}
	data := make([]byte, 3*w*h)
	if _, err := io.ReadFull(in, data); err != nil {
		return Picture{}, fmt.Errorf("picture: %d by %d pixels: %w", w, h, err)
	}
	return Picture{w, h, func(x, y int) uint32 {
		p := data[3*(y*w+x):]
		return uint32(p[0])<<16 | uint32(p[1])<<8 | uint32(p[2])
	}}, nil
}

// Rows is the bitmap of a letter, 8 pixels wide.
type Rows [16]byte

// Font finds letters by their bitmaps.
type Font map[Rows]rune

// Unknown stands for a cell that is not a letter of the font.
const Unknown = '\U0001F4A5'

// Cell is what a cell shows: a letter, its colour, and that of the ground. A letter
// whose two colours are swapped, as under the cursor, looks like one on another ground.
type Cell struct {
	Rune           rune
	Letter, Ground uint32
}

// Cells reads a picture with cells of a size, which is a multiple of the font's 8 by 16
// pixels. Each cell may have columns beside the letter, as in the text mode of a VGA.
func (p *Picture) Cells(font Font, width, height int) (rows [][]Cell) {
	for y := 0; y+height <= p.Height; y += height {
		var row []Cell
		for x := 0; x+width <= p.Width; x += width {
			row = append(row, p.cell(font, x, y, width/8, height/16))
		}
		rows = append(rows, row)
	}
	return rows
}

// cell reads the cell whose upper left corner is at x, y. Each pixel of the font is a block
// of so many pixels.
func (p *Picture) cell(font Font, x, y, across, down int) Cell {
	ground := p.At(x, y)
	c := Cell{Rune: Unknown, Letter: ground, Ground: ground}
	var bits Rows
	for dy := range 16 * down {
		for dx := range 8 * across {
			v := p.At(x+dx, y+dy)
			if v != ground && c.Letter == ground {
				c.Letter = v
			}
			bit := byte(0x80 >> (dx / across))
			first := dx%across == 0 && dy%down == 0
			switch {
			case v != ground && v != c.Letter: // three colours
				return c
			case first && v != ground:
				bits[dy/down] |= bit
			case !first && (v != ground) != (bits[dy/down]&bit != 0): // half a pixel
				return c
			}
		}
	}
	other := bits
	for i := range other {
		other[i] = ^other[i]
	}
	r, ok := font[bits]
	inverse, also := font[other]
	if also && (!ok || c.Ground > c.Letter) { // of two readings the one on the darker ground
		c.Rune, c.Letter, c.Ground = inverse, c.Ground, c.Letter
	} else if ok {
		c.Rune = r
	}
	return c
}

// Text returns the lines of cells without the spaces at their ends.
func Text(rows [][]Cell) string {
	var b strings.Builder
	for _, row := range rows {
		var line strings.Builder
		for _, c := range row {
			line.WriteRune(c.Rune)
		}
		b.WriteString(strings.TrimRight(line.String(), " ") + "\n")
	}
	return b.String()
}
