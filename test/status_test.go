//go:build qemu

package test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"muster/kernel/screen"
)

// noKeys is a machine without a serial port and without a keyboard.
var noKeys = []string{"--cpus", "2", "--console", "none", "--machine", "q35,i8042=off"}

// large waits until the screen shows a word in large letters of a colour, whose pixels of the
// font are so many half cells of the text in each direction.
func (m *console) large(word string, color uint32, zoom int) {
	m.t.Helper()
	want := bitmap(word)
	require.Eventually(m.t, func() bool {
		var halves [][]bool
		for _, row := range m.read() {
			upper, lower := make([]bool, len(row)), make([]bool, len(row))
			for i, c := range row {
				full := c.Rune == ' ' && alike(c.Ground, color)
				upper[i] = full || c.Rune == '▀' && alike(c.Letter, color)
				lower[i] = full || c.Rune == '▄' && alike(c.Letter, color)
			}
			halves = append(halves, upper, lower)
		}
		for y := range halves {
			if matches(halves[y:], want, zoom) {
				return true
			}
		}
		m.missing = word + " is not on the screen in large letters"
		return false
	}, answer(), 200*time.Millisecond)
	m.missing = ""
}

// alike compares colours, which a text mode has in 6 bits for each part.
func alike(a, b uint32) bool {
	const high = 0xf0f0f0
	return a&high == b&high
}

// bitmap is the pixels of a word, from its first row that is not empty on.
func bitmap(word string) (rows [][]bool) {
	for y := range screen.FontHeight {
		var row []bool
		for _, r := range word {
			for x := range screen.FontWidth {
				row = append(row, screen.Font[r-' '].Rows[y]<<x&0x80 != 0)
			}
		}
		if len(rows) > 0 || strings.Contains(string(bytesOf(row)), "\x01") {
			rows = append(rows, row)
		}
	}
	return rows
}

func bytesOf(row []bool) (b []byte) {
	for _, set := range row {
		b = append(b, map[bool]byte{true: 1}[set])
	}
	return b
}

// matches reports whether the upper left corner of a picture is the bitmap, except for its
// empty rows at the end.
func matches(picture, want [][]bool, zoom int) bool {
	for y, row := range want {
		for x, set := range row {
			for dy := range zoom {
				for dx := range zoom {
					py, px := y*zoom+dy, x*zoom+dx
					got := py < len(picture) && px < len(picture[py]) && picture[py][px]
					if got != set {
						return false
					}
				}
			}
		}
	}
	return true
}

// The colours of the results on each kind of screen.
const (
	textGreen, textRed   = 0x55ff55, 0xff5555
	pixelGreen, pixelRed = 0x70e070, 0xff6060
)

// Without a keyboard and without a serial port the screen shows the machine, and the
// demonstration passes. A keyboard that is plugged in has the prompt.
func TestStatusScreen(t *testing.T) {
	t.Parallel()
	m := startScreen(t, append(noKeys, "--qemu", "-vga std -device qemu-xhci")...)
	m.shows("CPUs: 2 of 2 online; ticks/s ", "temperature: no sensor", "\n   1 ", "demonstration on 2 CPUs: ")
	m.large("PASS", textGreen, 1)
	m.shows("\nPASS: all CPUs sorted numbers, collected garbage and passed values to and fro", "CPUs: 2 of 2 online", "status: the demonstration passed",
		"\na key, or a keyboard that is plugged in, brings the prompt\n")
	m.do("device_add usb-kbd")
	m.shows("muster>")
	for _, key := range []string{"u", "p", "t", "i", "m", "e", "ret"} {
		m.do("sendkey %s", key)
	}
	m.shows("muster> uptime\nup ")
}

// The result of a demonstration that fails, in pixels and in text mode: a wrong result, and a
// CPU that does not start.
func TestStatusScreenFail(t *testing.T) {
	t.Parallel() // it mostly waits
	m := startScreen(t, append(noKeys, "--boot", "bios", "--qemu", "-vga std", "--append", "fault=demo:sort")...)
	m.large("FAIL", pixelRed, 2)
	m.shows("\nFAIL: sort: ", "status: the demonstration failed: sort: ")

	m = startScreen(t, append(noKeys, "--qemu", "-vga std", "--append", expires+" fault=ap1:silent")...)
	m.large("FAIL", textRed, 1)
	m.shows("\nFAIL: 1 of 2 CPUs are not online: 1\n", "CPUs: 1 of 2 online")
}

// With a keyboard there is no status screen, but the command line can have one, with a serial
// port too. A key ends it.
func TestStatusScreenChosen(t *testing.T) {
	t.Parallel()
	m := startScreen(t, "--cpus", "2", "--console", "none", "--qemu", "-vga std")
	require.NotContains(t, m.shows("muster>"), "demonstration")
	m.do("sendkey a")
	m.shows("muster> a")

	s := start(t, "--cpus", "2", "--append", "status=on")
	s.expect("CPUs: 2 of 2 online").expect("demonstration on 2 CPUs: ").expect("▀").expect("PASS: all CPUs sorted").say("x").expect("help lists").expect("muster> ")
	s.say("uptime\r").expect("uptime\nup ").say("poweroff\r").end(0)
}
