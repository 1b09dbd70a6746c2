package console

import (
	"strings"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"

	"muster/kernel/percpu"
	"muster/kernel/screen"
	"muster/test/picture"
)

// shown is a screen of 80x25 letters in memory.
type shown struct {
	pixels []uint32
	cells  []uint64
}

const shownWidth, shownHeight = 640, 400

// withScreen starts the log and the screen anew, without a serial port.
func withScreen(t *testing.T) *shown {
	restart := func() {
		logStart, logEnd, seen, inUnit, showing, drawing, mute = 0, 0, 0, false, false, drawAtOnce, false
		emergency.lines, emergency.off = 0, false
		damage.Store(0)
		reporting.Store(0)
	}
	restart()
	t.Cleanup(restart)
	mute = true
	s := &shown{make([]uint32, shownWidth*shownHeight), make([]uint64, screen.TextCols*screen.TextRows)}
	return s
}

// use makes the console show its text there.
func (s *shown) use(c *percpu.CPU) {
	UseScreen(c, screen.Mode{Base: uintptr(unsafe.Pointer(&s.pixels[0])), Width: shownWidth, Height: shownHeight, Pitch: shownWidth * 4, Bytes: 4,
		Red: screen.Field{Pos: 16, Size: 8}, Green: screen.Field{Pos: 8, Size: 8}, Blue: screen.Field{Pos: 0, Size: 8}}, uintptr(unsafe.Pointer(&s.cells[0])))
}

func (s *shown) rows() [][]picture.Cell {
	font := picture.Font{}
	for i := len(screen.Font) - 1; i >= 0; i-- {
		font[screen.Font[i].Rows] = screen.Font[i].Rune
	}
	p := picture.Picture{Width: shownWidth, Height: shownHeight, At: func(x, y int) uint32 { return s.pixels[y*shownWidth+x] }}
	return p.Cells(font, screen.FontWidth, screen.FontHeight)
}

// text returns what is shown, without the time of lines of the log.
func (s *shown) text() string {
	var lines []string
	for line := range strings.Lines(strings.TrimRight(picture.Text(s.rows()), "\n")) {
		if _, after, ok := strings.Cut(line, "] cpu"); ok {
			line = "cpu" + after
		}
		lines = append(lines, strings.TrimSuffix(line, "\n"))
	}
	return strings.Join(lines, "\n")
}

func draw(c *percpu.CPU) {
	for Draw(c) {
	}
}

func TestScreenShowsTheLog(t *testing.T) {
	s, c := withScreen(t), &percpu.CPU{ID: 3}
	Log(c, Info, []byte("before there was a screen"))
	s.use(c)
	Log(c, Error, []byte("at once"))
	require.Equal(t, "cpu3: before there was a screen\ncpu3: at once", s.text())
	require.Equal(t, uint32(0xff6060), s.rows()[1][26].Letter, "an error")
	logPrint = Notice
	defer func() { logPrint = DefaultLevel }()
	Log(c, Info, []byte("kept, and not printed"))
	Log(c, Warning, []byte("a warning"))
	require.Equal(t, "cpu3: before there was a screen\ncpu3: at once\ncpu3: a warning", s.text())
}

// Lines of the log do not come between the steps of a unit, and are not lost.
func TestScreenUnits(t *testing.T) {
	s, c := withScreen(t), &percpu.CPU{}
	s.use(c)
	UseDrawer(c)
	require.True(t, TakeDamage())
	require.False(t, TakeDamage())
	Log(c, Info, []byte("one"))
	require.True(t, TakeDamage())
	unit := []byte(strings.Repeat("unit ", 500) + "\r\n")
	steps := 0
	for done := 0; done < len(unit); steps++ {
		done += Show(c, unit[done:], false)
		if done > 0 && done < len(unit) {
			Log(c, Info, []byte("two"))
			draw(c)
		}
	}
	require.Greater(t, steps, 2, "the line of the log, and steps of the unit")
	draw(c)
	text := s.text()
	require.Less(t, strings.LastIndex(text, "unit"), strings.Index(text, "cpu0: two"))
	require.Equal(t, steps-2, strings.Count(text, "cpu0: two"))
	require.NotContains(t, text, "cpu0: one", "scrolled away")
}

// A report appears in any state, and its end only on the serial port.
func TestScreenEmergency(t *testing.T) {
	s, c := withScreen(t), &percpu.CPU{}
	s.use(c)
	UseDrawer(c)
	Show(c, []byte("a program's line\x1b[3"), false)
	inUnit = true
	Log(c, Info, []byte("the last line"))
	display.Next(&run) // a CPU that was stopped before it painted
	EmergencyFlush()
	Emergency([]byte("muster: PANIC\n"))
	require.Equal(t, "a program's line\ncpu0: the last line\nmuster: PANIC", s.text())
	require.Equal(t, uint32(0xd05050), s.rows()[2][0].Ground, "white on red")
	for range 100 {
		Emergency([]byte("a line of a stack\n"))
	}
	EmergencySerial()
	Emergency([]byte("trace\n"))
	EmergencyDrain()
	require.Equal(t, 19, strings.Count(s.text(), "a line of a stack"), "a full screen does not scroll")
	require.Contains(t, s.text(), "a program's line\ncpu0: the last line\nmuster: PANIC\na line of a stack\n")
	require.NotContains(t, s.text(), "trace")
}

// What other CPUs write while a report begins does not scroll it away.
func TestScreenIsTheReports(t *testing.T) {
	s, c := withScreen(t), &percpu.CPU{}
	s.use(c)
	UseDrawer(c)
	EmergencyFlush()
	Emergency([]byte("muster: PANIC\n"))
	unit := []byte(strings.Repeat("unit\r\n", 500))
	for done := 0; done < len(unit); {
		done += Show(c, unit[done:], false)
		draw(c)
	}
	Log(c, Error, []byte("late"))
	draw(c)
	Emergency([]byte("in a function\n"))
	require.Equal(t, "muster: PANIC\nin a function", s.text())
}
