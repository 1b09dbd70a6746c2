package screen_test

import (
	"fmt"
	"strings"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"

	"muster/kernel/screen"
	"muster/test/picture"
)

// letters is the font of the kernel.
var letters = func() picture.Font {
	f := picture.Font{}
	for i := len(screen.Font) - 1; i >= 0; i-- { // of two that look alike the first
		f[picture.Rows(screen.Font[i].Rows)] = screen.Font[i].Rune
	}
	return f
}()

// device is memory that a screen draws to, with bytes around it that nothing may change.
type device struct {
	screen.Screen
	screen.Mode
	memory []byte
	cells  []uint64
}

const margin = 4096

// xrgb is the most usual format.
var xrgb = screen.Mode{Bytes: 4, Red: screen.Field{Pos: 16, Size: 8}, Green: screen.Field{Pos: 8, Size: 8}, Blue: screen.Field{Pos: 0, Size: 8}}

func newDevice(m screen.Mode, width, height, pitch int) *device {
	m.Width, m.Height, m.Pitch = width, height, pitch
	d := &device{Mode: m, memory: make([]byte, pitch*height+2*margin)}
	for i := range d.memory {
		d.memory[i] = 0xa5
	}
	d.Base = uintptr(unsafe.Pointer(&d.memory[margin]))
	cols, rows := d.Size()
	d.cells = make([]uint64, cols*rows)
	d.Init(d.Mode, uintptr(unsafe.Pointer(&d.cells[0])))
	return d
}

// write adds all of a text.
func (d *device) write(text string) *device {
	for p := []byte(text); len(p) > 0; {
		p = p[d.Write(p):]
	}
	return d
}

// picture returns what the device shows.
func (d *device) picture() picture.Picture {
	part := func(v uint32, f screen.Field) uint32 {
		v = v >> f.Pos & (1<<f.Size - 1)
		return v << (8 - f.Size)
	}
	return picture.Picture{Width: d.Width, Height: d.Height, At: func(x, y int) uint32 {
		p := d.memory[margin+y*d.Pitch+x*d.Bytes:]
		v := uint32(p[0]) | uint32(p[1])<<8 | uint32(p[2])<<16
		if d.Bytes == 4 {
			v |= uint32(p[3]) << 24
		}
		return part(v, d.Red)<<16 | part(v, d.Green)<<8 | part(v, d.Blue)
	}}
}

func (d *device) read() [][]picture.Cell {
	p, z := d.picture(), 1
	if d.Width >= 2560 {
		z = 2
	}
	return p.Cells(letters, 8*z, 16*z)
}

// lines draws everything, and returns the text on the device without empty lines at the end.
func (d *device) lines() string {
	d.Show()
	return strings.TrimRight(picture.Text(d.read()), "\n")
}

func TestPixelFormats(t *testing.T) {
	field := func(pos, size uint8) screen.Field { return screen.Field{Pos: pos, Size: size} }
	for name, m := range map[string]screen.Mode{
		"xRGB":            xrgb,
		"xBGR":            {Bytes: 4, Red: field(0, 8), Green: field(8, 8), Blue: field(16, 8)},
		"RGBx":            {Bytes: 4, Red: field(24, 8), Green: field(16, 8), Blue: field(8, 8)},
		"ten bits, of 8":  {Bytes: 4, Red: field(22, 8), Green: field(12, 8), Blue: field(2, 8)},
		"fields of 5 and": {Bytes: 4, Red: field(11, 5), Green: field(5, 6), Blue: field(0, 5)},
		"RGB":             {Bytes: 3, Red: field(16, 8), Green: field(8, 8), Blue: field(0, 8)},
		"BGR":             {Bytes: 3, Red: field(0, 8), Green: field(8, 8), Blue: field(16, 8)},
	} {
		for _, size := range [][2]int{{640, 64}, {645, 71}, {2560, 64}, {2600, 70}} {
			for _, spare := range []int{0, 1, 52} { // a pitch need not be a multiple of anything
				t.Run(fmt.Sprint(name, size, spare), func(t *testing.T) {
					d := newDevice(m, size[0], size[1], size[0]*m.Bytes+spare)
					d.write("Muster \x1b[91mred\x1b[92mgreen\x1b[94mblue\x1b[97;44mwhite on blue\x1b[m\n" + strings.Repeat("0123456789", 5))
					require.Equal(t, "Muster redgreenbluewhite on blue\n"+strings.Repeat("0123456789", 5), d.lines())
					mask := uint32(1<<8-1<<(8-m.Red.Size))<<16 | uint32(1<<8-1<<(8-m.Green.Size))<<8 | uint32(1<<8-1<<(8-m.Blue.Size))
					row := d.read()[0]
					for col, want := range map[int][2]uint32{0: {0xc8c8c8, 0}, 7: {0xff6060, 0}, 10: {0x70e070, 0}, 15: {0x80b0ff, 0}, 19: {0xffffff, 0x5080e0}} {
						require.Equal(t, fmt.Sprintf("%06x on %06x", want[0]&mask, want[1]&mask), fmt.Sprintf("%06x on %06x", row[col].Letter, row[col].Ground), "column %d", col)
					}
					d.untouched(t)
				})
			}
		}
	}
}

// untouched requires that no byte outside the lines has changed.
func (d *device) untouched(t *testing.T) {
	t.Helper()
	for i, b := range d.memory {
		y, x := (i-margin)/d.Pitch, (i-margin)%d.Pitch
		if i >= margin && y < d.Height && x < d.Width*d.Bytes {
			continue
		}
		if b != 0xa5 {
			require.Fail(t, "written outside the lines", "byte %d, line %d, byte %d of it", i-margin, y, x)
		}
	}
}

func TestScrolling(t *testing.T) {
	for _, width := range []int{640, 2560} {
		d := newDevice(xrgb, width, 10*16*width/640/2*2, width*4)
		_, rows := d.Size()
		var all []string
		for i := range 3 * rows {
			line := fmt.Sprintf("line %d:%s", i, strings.Repeat("x", i%20))
			all = append(all, line)
			d.write(line + "\r\n")
			if i%3 == 0 {
				require.Equal(t, strings.Join(all[max(len(all)-rows+1, 0):], "\n"), d.lines())
			}
		}
		d.write("the last line stays without a line feed")
		require.Contains(t, d.lines(), "\nthe last line stays without a line feed")
	}
}

// Steps that are mixed with text show the same as one.
func TestStepsAndDamage(t *testing.T) {
	d := newDevice(xrgb, 1280, 400, 1280*4)
	var r screen.Run
	var all []string
	for i := range 500 {
		all = append(all, fmt.Sprint(i, strings.Repeat(" word", i%25)))
		d.write(all[i] + "\n")
		if i%3 == 0 {
			d.Next(&r)
			d.Paint(&r)
		}
	}
	require.Equal(t, strings.Join(all[500-24:], "\n"), d.lines())
	require.False(t, d.Next(&r))

	// What is shown already is not drawn again.
	for i := range d.memory {
		d.memory[i] = 0x77
	}
	d.write("x")
	d.Show()
	changed := 0
	for y := 0; y < 400; y += 16 {
		for x := 0; x < 1280; x += 8 {
			if p := margin + y*d.Pitch + x*4; d.memory[p] != 0x77 {
				changed++
			}
		}
	}
	require.Equal(t, 2, changed, "the letter, and the cursor after it")
}

func TestUTF8(t *testing.T) {
	const bad = string(screen.Replacement)
	for text, want := range map[string]string{
		"Grüße, señor, œuvre ‹€›": "Grüße, señor, œuvre ‹€›",
		"▀▄█▌▐─│┌┐└┘├┤┬┴┼░▒▓":     "▀▄ ▌▐─│┌┐└┘├┤┬┴┼░▒▓", // a full block looks like a space on another ground

		"\xffa\x80b":           bad + "a" + bad + "b",
		"\xc3":                 "",          // not complete yet
		"\xc3x":                bad + "x",   // cut short by a letter
		"\xe2\x82\nx":          bad + "\nx", // and by a line feed
		"\xc0\xaf":             bad + bad,   // too long for what it means
		"\xe0\x80\xaf|":        bad + "|",   // too
		"\xed\xa0\x80|":        bad + "|",   // a surrogate
		"\xf4\x90\x80\x80|":    bad + "|",   // beyond the last rune
		"世界":                   bad + bad,   // no glyph
		"😀":                    bad,         // no glyph
		"\xe4\xb8\xe4\xb8\x96": bad + bad,   // one cut short by the next
		"a\x00b\x07c\x7fd":     "abcd",      // no effect
		"\xf5\xf8":             bad + bad,   // never in UTF-8
	} {
		t.Run(fmt.Sprintf("%q", text), func(t *testing.T) {
			require.Equal(t, want, newDevice(xrgb, 640, 400, 640*4).write(text).lines())
		})
	}
}

func TestTerminal(t *testing.T) {
	full := strings.Repeat("x", 80)
	for name, tc := range map[string]struct{ text, want string }{
		"return":                   {"abc\rX", "Xbc"},
		"backspace":                {"abc\b\bX", "aXc"},
		"tab":                      {"a\tb\tc", "a       b       c"},
		"a full line":              {full + "\r\nb", full + "\nb"},
		"and one more":             {full + "b", full + "\nb"},
		"back in a full line":      {full + "\bY", full[:78] + "Yx"},
		"up and left":              {"abc\ndef\x1b[A\x1b[2DX", "aXc\ndef"},
		"down and right":           {"a\n\n\x1b[2A\x1b[B\x1b[3CX", "a\n   X"},
		"to a place":               {"\x1b[3;5Hx\x1b[Hy\x1b[GY", "Y\n\n    x"},
		"beyond the edges":         {"\x1b[99A\x1b[99DA\x1b[99;99HB", "A" + strings.Repeat("\n", 24) + strings.Repeat(" ", 79) + "B"},
		"erase to the end":         {"abc\x1b[2D\x1b[K", "a"},
		"erase to the cursor":      {"abc\x1b[2D\x1b[1K", "  c"},
		"erase a line":             {"abc\x1b[2Kx", "   x"},
		"erase the display":        {"abc\ndef\x1b[2J\x1b[Hx", "x"},
		"erase below":              {"abc\ndef\nghi\x1b[2;2H\x1b[J", "abc\nd"},
		"erase above":              {"abc\ndef\nghi\x1b[2;2H\x1b[1J", "\n  f\nghi"},
		"unknown sequences":        {"a\x1b[?25hb\x1b[5nc\x1b(d\x1b[>1;2xe", "abcde"},
		"long numbers":             {"a\x1b[99999999999999999999Cb\x1b[1;2;3;4;5;6;7;8;9;10;11mc", "a" + strings.Repeat(" ", 78) + "b\nc"},
		"a sequence that is ended": {"a\x1b[3\x1b[Db", "b"},
	} {
		t.Run(name, func(t *testing.T) {
			require.Equal(t, tc.want, newDevice(xrgb, 640, 400, 640*4).write(tc.text).lines())
		})
	}
}

// Clearing a large screen takes several steps, each of which clears some rows, and the text
// after it waits.
func TestClearInSteps(t *testing.T) {
	d := newDevice(xrgb, 2400, 3200, 2400*4)
	d.write(strings.Repeat("x\n", 199) + "x\x1b[H")
	full := strings.Count(d.lines(), "x")
	require.Equal(t, 200, full)
	p, steps := []byte("\x1b[2Jtext"), 0
	for len(p) > 0 {
		n := d.Write(p)
		p = p[n:]
		left := strings.Count(d.lines(), "x\n")
		require.LessOrEqual(t, full-left, 40, "rows in one step")
		full, steps = left, steps+1
	}
	require.Greater(t, steps, 5)
	require.Equal(t, "text", d.lines())
}

// Lines of the log stand by themselves, and leave what is around them alone.
func TestLine(t *testing.T) {
	d := newDevice(xrgb, 640, 400, 640*4)
	d.write("muster> \x1b[9")
	d.Line(screen.Colors(screen.BrightRed, screen.Black), []byte("[1.5] cpu0: "), []byte("bad \x1b[42m n\xc3"), []byte("\xa4ws \xff"))
	d.write("2mgreen")
	require.Equal(t, "muster>\n[1.5] cpu0: bad "+string(screen.Replacement)+"[42m näws "+string(screen.Replacement)+"\ngreen", d.lines())
	rows := d.read()
	require.Equal(t, uint32(0xff6060), rows[1][12].Letter)
	require.Equal(t, uint32(0x909090), rows[1][0].Letter)
	require.Equal(t, uint32(0x70e070), rows[2][0].Letter)
}

// After a CPU was stopped in the middle of a function, a panic goes on from what is there.
func TestRepair(t *testing.T) {
	d := newDevice(xrgb, 640, 400, 640*4)
	d.write(strings.Repeat("line\n", 40) + "\x1b[3")
	d.Repair()
	d.write("why")
	require.True(t, strings.HasSuffix(d.lines(), "line\nwhy"))
	d.untouched(t)
}

// No text makes a screen write beyond its memory, or leaves a cell that is not a letter.
func FuzzWrite(f *testing.F) {
	f.Add([]byte("\x1b[999;999H\x1b[J\x1b[1Jx\x1b[K\xff\xe2\x82"), uint8(3))
	f.Fuzz(func(t *testing.T, text []byte, size uint8) {
		d := newDevice(xrgb, 8*(1+int(size&15)), 16*(1+int(size>>4)), 8*16*4+3)
		d.write(string(text))
		d.Line(screen.Colors(screen.Red, screen.Black), text, text, text)
		d.Show()
		d.untouched(t)
		require.NotContains(t, d.lines(), string(picture.Unknown))
	})
}

func BenchmarkScroll(b *testing.B) {
	d := newDevice(xrgb, 1920, 1080, 1920*4)
	text := []byte(strings.Repeat("0123456789", 10) + "\r\n")
	for b.Loop() {
		d.Write(text)
		d.Show()
	}
}
