// Package qrcode makes QR codes of text, by the encoder rsc.io/qr/coding (BSD 3-Clause). A
// text that is too long for one code becomes several, which say which part they are.
//
// Layer: service.
// Context: one CPU at a time for each Maker. In a panic the memory that the encoder allocates
// comes from package crash; so Code uses no fmt, map or lock, which need a goroutine. What
// needs many allocations, the plan of the code, is made before, by New.
// Chapter: docs/02-black-box.md.
// Left out: the choice of the mask that a camera reads best; structured append, which
// phones do not know.
package qrcode

import (
	"errors"
	"strconv"
	"strings"

	"rsc.io/qr/coding"
)

// Versions of codes: a code of version v has 4v+17 modules on a side.
const (
	ForScreen   = 20 // 97 modules, 858 bytes
	ForTerminal = 13 // 69 modules, and with the margin less than 80
)

// Margin is the white border of a code, in modules (ISO/IEC 18004, "Quiet zone").
const Margin = 4

// level is the least correction of errors: a screen has no stains.
const level = coding.L

// Maker makes codes of one version.
type Maker struct {
	plan *coding.Plan
	room int // bytes of text in one code
}

// New returns a maker of codes of a version.
func New(version int) (*Maker, error) {
	p, err := coding.NewPlan(coding.Version(version), level, 0)
	if err != nil {
		return nil, err
	}
	head := coding.String("").Bits(p.Version)
	return &Maker{p, p.DataBytes - (head+7)/8 - maxTitle}, nil
}

// maxTitle is the longest first line of a code.
const maxTitle = len("Muster, part 9999 of 9999\n")

// maxParts is the number of codes whose titles have room.
const maxParts = 9999

// ErrTooLong is the error of Blocks for a text of more than maxParts codes.
var ErrTooLong = errors.New("the text is too long for 9999 codes")

// Title returns the first line of a code.
func Title(part, parts int) string {
	return "Muster, part " + strconv.Itoa(part) + " of " + strconv.Itoa(parts) + "\n"
}

// Code returns the modules of a code: rows of stride bytes, a bit for each of size modules,
// the leftmost in the highest bit, 1 for black. The size is 0 if the text is too long.
func (m *Maker) Code(part, parts int, text []byte) (bits []byte, size, stride int) {
	c, err := m.plan.Encode(coding.String(Title(part, parts) + string(text)))
	if err != nil {
		return nil, 0, 0
	}
	return c.Bitmap, c.Size, c.Stride
}

// panics makes the codes of a panic. A variable of this package keeps it from being collected.
var panics *Maker

// Prepare makes the plan that OnScreen uses, and returns how many bytes of text a code has.
func Prepare() (room int, err error) {
	panics, err = New(ForScreen)
	if err != nil {
		return 0, err
	}
	return panics.room, nil
}

// OnScreen is Code for the screen of a panic.
func OnScreen(part, parts int, text []byte) (bits []byte, size, stride int) {
	return panics.Code(part, parts, text)
}

// Blocks returns the codes for a text, each as lines of half blocks with its margin. White is
// what the terminal shows as a letter, so a terminal with a dark ground shows black on white.
func Blocks(text string) ([]string, error) {
	m, err := New(ForTerminal)
	if err != nil {
		return nil, err
	}
	var codes []string
	parts := max(1, (len(text)+m.room-1)/m.room)
	if parts > maxParts {
		return nil, ErrTooLong
	}
	for i := range parts {
		bits, size, stride := m.Code(i+1, parts, []byte(text[i*m.room:min(len(text), (i+1)*m.room)]))
		codes = append(codes, blocks(bits, size, stride))
	}
	return codes, nil
}

// blocks draws two rows of modules with one line of letters.
func blocks(bits []byte, size, stride int) string {
	white := func(x, y int) bool {
		return x < 0 || y < 0 || x >= size || y >= size || bits[y*stride+x/8]>>(7-x%8)&1 == 0
	}
	var b strings.Builder
	for y := -Margin; y < size+Margin; y += 2 {
		for x := -Margin; x < size+Margin; x++ {
			n := 0
			if white(x, y) {
				n = 1
			}
			if y+1 < size+Margin && white(x, y+1) {
				n += 2
			}
			b.WriteString([...]string{" ", "▀", "▄", "█"}[n])
		}
		b.WriteByte('\n')
	}
	return b.String()
}
