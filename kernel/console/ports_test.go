package console

import (
	"strings"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"

	"muster/kernel/percpu"
)

// still is the registers of a UART in memory whose transmitter is always empty, and whose
// loop-back test answers, unless a test says something else.
type still struct{ regs [32]uint8 }

// kept keeps them in the heap, because a stack may move.
var kept []*still

func newStill() *still {
	u := new(still)
	kept = append(kept, u)
	return u
}

func (u *still) place(stride uintptr) Place {
	u.regs[uartStatus*stride], u.regs[uartLines*stride] = statusTxEmpty|statusTxIdle, linesDCD|linesCTS
	return Place{Addr: uintptr(unsafe.Pointer(&u.regs)), Stride: stride}
}

// withPorts starts the console and the log anew, without a port.
func withPorts(t *testing.T) *percpu.CPU {
	restart := func() {
		present, irqs, first, mirrorN = false, false, Place{}, 0
		mirrors = [len(mirrors)]mirror{}
		logStart, logEnd = 0, 0
		tx.buf = txBytes[:]
		tx.clear()
	}
	restart()
	t.Cleanup(restart)
	return &percpu.CPU{}
}

func (r *ring) text() string {
	p := make([]byte, len(r.buf))
	return strings.ReplaceAll(string(p[:r.take(p)]), "\r", "")
}

// The first port that answers has the console; the next ones get the log so far, and then
// the same bytes.
func TestAddPort(t *testing.T) {
	c := withPorts(t)
	one, two, deaf, absent := newStill(), newStill(), newStill(), newStill()
	Log(c, Info, []byte("before"))
	Log(c, Debug, []byte("not printed"))
	require.Equal(t, AddedOne, AddPort(c, one.place(4), false))
	require.Equal(t, "[    0.000000] cpu0: before\n", tx.text())
	require.Equal(t, Added, AddPort(c, two.place(1), false))
	require.Equal(t, "[    0.000000] cpu0: before\n", mirrors[0].tx.text())
	require.Equal(t, Known, AddPort(c, one.place(4), false))
	require.Equal(t, Known, AddPort(c, two.place(1), false))
	p := deaf.place(1)
	deaf.regs[uartLines] = linesDCD
	require.Equal(t, Silent, AddPort(c, p, false), "the loop-back test fails")
	p = absent.place(1)
	for i := range absent.regs {
		absent.regs[i] = 0xff
	}
	require.Equal(t, Silent, AddPort(c, p, false), "nothing is there")
	_, ok, n := Ports(c)
	require.True(t, ok)
	require.Equal(t, 1, n)

	require.True(t, Write(c, []byte("ab"), false))
	for Pump(c) {
	}
	require.Equal(t, byte('b'), one.regs[uartData*4])
	require.Equal(t, byte('b'), two.regs[uartData])
	require.Zero(t, mirrors[0].tx.len())
}

// The speed of a port that firmware uses stays, and that of any other is set.
func TestAddPortSpeed(t *testing.T) {
	c := withPorts(t)
	firmware, card := newStill(), newStill()
	AddPort(c, firmware.place(1), false)
	AddPort(c, card.place(1), true)
	require.Zero(t, firmware.regs[uartLine])
	require.Equal(t, uint8(line8N1), card.regs[uartLine])
}

// A mirror that is slower than the console loses nothing while its ring has room, and Poll
// sends what is left. Without an interrupt Poll receives, too.
func TestPoll(t *testing.T) {
	c := withPorts(t)
	one, two := newStill(), newStill()
	AddPort(c, one.place(1), false)
	AddPort(c, two.place(1), false)
	rx.buf = rxBytes[:]
	two.regs[uartStatus] = 0
	Write(c, []byte("abc"), false)
	for Pump(c) {
	}
	require.Equal(t, 3, mirrors[0].tx.len())
	Poll(c)
	require.Equal(t, 3, mirrors[0].tx.len(), "not while it sends")
	two.regs[uartStatus] = statusTxEmpty
	Poll(c)
	require.Zero(t, mirrors[0].tx.len())

	one.regs[uartStatus], one.regs[uartData] = statusRxReady, 'k'
	Poll(c)
	p := make([]byte, 100)
	require.Equal(t, fifoDepth, Read(c, p), "no more than a FIFO at once")
	irqs = true
	Poll(c)
	require.Zero(t, Read(c, p), "the interrupt does it")
}

// The newest lines are sent if not all fit.
func TestReplayIsBounded(t *testing.T) {
	c := withPorts(t)
	one, two := newStill(), newStill()
	AddPort(c, one.place(1), false)
	for range 1000 {
		Log(c, Info, []byte(strings.Repeat("x", 80)))
	}
	Log(c, Info, []byte("last"))
	AddPort(c, two.place(1), false)
	text := mirrors[0].tx.text()
	require.True(t, strings.HasPrefix(text, "[    0.000000] cpu0: xxx"), text)
	require.True(t, strings.HasSuffix(text, " last\n"), text)
	require.Greater(t, len(text), len(mirrors[0].bytes)/2)
}

// A mirror that never sends costs a report one wait.
func TestStuckMirror(t *testing.T) {
	c := withPorts(t)
	one, two := newStill(), newStill()
	AddPort(c, one.place(1), false)
	AddPort(c, two.place(1), false)
	two.regs[uartStatus] = 0
	Emergency([]byte("a report\n"))
	require.True(t, mirrors[0].dead)
	require.Equal(t, byte('\n'), one.regs[uartData])
}
