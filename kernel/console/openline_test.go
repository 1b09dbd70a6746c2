package console

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"muster/kernel/percpu"
)

// withSerial is a console whose port sends nothing, so that the ring keeps what is printed.
func withSerial(t *testing.T) *percpu.CPU {
	c := withPorts(t)
	u := newStill()
	require.Equal(t, AddedOne, AddPort(c, u.place(1), false))
	u.regs[uartStatus], irqs = 0, true
	serialOpen, screenOpen = openLine{}, openLine{}
	t.Cleanup(func() { serialOpen, screenOpen = openLine{}, openLine{} })
	tx.clear()
	return c
}

// sent returns what was put into the ring, with its carriage returns.
func sent() string {
	p := make([]byte, len(tx.buf))
	return string(p[:tx.take(p)])
}

// A line that is typed is erased before a line of the log and a program's output, and comes again
// afterwards. A program's bytes get a line feed if they have none.
func TestOpenLine(t *testing.T) {
	c := withSerial(t)
	session := func(text string) { require.True(t, Write(c, []byte(text), true)) }
	session("up\r\nmuster> ")
	session("ab\x1b[Dc")
	require.Equal(t, "up\r\nmuster> ab\x1b[Dc", sent())
	Log(c, Info, []byte("a line"))
	require.Equal(t, "\r\x1b[K[    0.000000] cpu0: a line\r\nmuster> ab\x1b[Dc", sent())
	Write(c, []byte("a program\r\n"), false)
	require.Equal(t, "\r\x1b[Ka program\r\nmuster> ab\x1b[Dc", sent())
	Write(c, []byte("half"), false)
	require.Equal(t, "\r\x1b[Khalf\r\nmuster> ab\x1b[Dc", sent())

	session("\r\n")
	require.Equal(t, "\r\n", sent())
	Log(c, Info, []byte("a line"))
	Write(c, []byte("half"), false)
	require.Equal(t, "[    0.000000] cpu0: a line\r\nhalf", sent(), "no line is open")
}

// A line that may have several rows is not erased; one that is too long does not come again.
func TestLongOpenLine(t *testing.T) {
	c := withSerial(t)
	for _, n := range []int{openRow, openRow + 1, openMax, openMax + 1} {
		line := strings.Repeat("x", n)
		Write(c, []byte("\n"+line), true)
		sent()
		Log(c, Info, []byte("a line"))
		before, after := "\r\n", line
		if n == openRow {
			before = "\r\x1b[K"
		}
		if n > openMax {
			after = ""
		}
		require.Equal(t, before+"[    0.000000] cpu0: a line\r\n"+after, sent())
	}
}

// Control-L clears the screen and writes the prompt and the line again. This must not happen again after a line
// of the log, because it would remove that line. An erased row, and J and H as letters, change nothing.
func TestOpenLineOnClearedScreen(t *testing.T) {
	c := withSerial(t)
	Write(c, []byte("muster> ab"), true)
	Write(c, []byte("\x1b[2"), true) // in two writes
	Write(c, []byte("J\x1b[Hmuster> a\x1b[KbJH"), true)
	sent()
	Log(c, Info, []byte("a line"))
	require.Equal(t, "\r\x1b[K[    0.000000] cpu0: a line\r\nmuster> a\x1b[KbJH", sent())
}

// What does not fit with the open line is not taken, as it is without one.
func TestOpenLineFull(t *testing.T) {
	c := withSerial(t)
	Write(c, []byte("muster> "), true)
	for tx.len() < len(tx.buf)-10 {
		tx.putByte('x')
	}
	require.False(t, Write(c, []byte("abcdefgh"), false))
	require.True(t, Write(c, []byte("abcdefgh"), true))
	Log(c, Info, []byte("lost"))
	require.Equal(t, uint64(1), dropped)
	sent()
	mu.Lock(c)
	queueNotice(c, 0)
	mu.Unlock(c)
	require.True(t, strings.HasPrefix(sent(), "\r\x1b[K["))
	require.Zero(t, dropped)
}

// The screen does the same, with units that take several steps too.
func TestScreenOpenLine(t *testing.T) {
	s, c := withScreen(t), &percpu.CPU{}
	s.use(c)
	UseDrawer(c)
	t.Cleanup(func() { screenOpen.n = 0 })
	show := func(text string, session bool) {
		for done := 0; done < len(text); {
			done += Show(c, []byte(text[done:]), session)
		}
		draw(c)
	}
	show("up\r\nmuster> ", true)
	show("ab\x1b[Dc", true)
	Log(c, Info, []byte("a line"))
	draw(c)
	require.Equal(t, "up\ncpu0: a line\nmuster> ac", s.text())
	show("half", false)
	require.Equal(t, "up\ncpu0: a line\nhalf\nmuster> ac", s.text())
	show(strings.Repeat("unit ", 500)+"\r\n", false)
	require.True(t, strings.HasSuffix(s.text(), "unit\nmuster> ac"), s.text())
	show("\r\n", true)
	Log(c, Info, []byte("last"))
	draw(c)
	require.True(t, strings.HasSuffix(s.text(), "muster> ac\ncpu0: last"), s.text())
}
