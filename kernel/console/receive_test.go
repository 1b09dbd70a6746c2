package console

import (
	"bytes"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"muster/kernel/clock"
	"muster/kernel/percpu"
)

// QEMU's UART holds input back while its FIFO is full, so it cannot show a loss. realLine is a 16550 at 115,200
// baud that does what a real one does: a byte arrives every 87 us whether the kernel is ready or not, and one that
// finds the FIFO full is lost. The test's clock is in nanoseconds; an access takes a microsecond, as on
// the ISA bus.
//
// Source: PC16550D data sheet, "FIFO Interrupt Mode Operation", "Line Status Register".
type realLine struct {
	m     *board
	base  uint16
	wire  []byte     // what the other end has yet to send
	flow  bool       // the other end looks at RTS, each time it fills its own FIFO
	burst int        // bytes that it still sends before it looks
	at    clock.Time // when the next byte has arrived

	fifo    []byte
	trigger int
	overrun bool
	lost    int
	touched clock.Time // of the last arrival or read, for the timeout

	out    []byte     // transmitter's FIFO
	leaves clock.Time // when its first byte has left
	sent   int
	empty  bool // the transmitter's interrupt is pending

	enable, modem, scratch uint8
	divisor                bool
	edges
}

// edges is an edge-triggered interrupt line.
type edges struct{ level, edge bool }

func (e *edges) set(level bool) {
	e.edge = e.edge || level && !e.level
	e.level = level
}

const timeout = 4 * lineByte // without a byte and without a read

func (u *realLine) timedOut() bool { return len(u.fifo) > 0 && u.m.now >= u.touched+timeout }

// settle lets happen what has happened by now.
func (u *realLine) settle() {
	for len(u.wire) > 0 && u.at <= u.m.now {
		if u.burst == 0 && u.flow && u.modem&modemRTS == 0 {
			u.at = u.m.now + lineByte
			break
		}
		if u.burst == 0 {
			u.burst = fifoDepth
		}
		u.burst--
		if len(u.fifo) < fifoDepth {
			u.fifo = append(u.fifo, u.wire[0])
		} else {
			u.overrun, u.lost = true, u.lost+1
		}
		u.wire, u.touched = u.wire[1:], u.at
		u.at += lineByte
	}
	for len(u.out) > 0 && u.leaves <= u.m.now {
		u.out, u.sent = u.out[1:], u.sent+1
		u.leaves += lineByte
		u.empty = u.empty || len(u.out) == 0
	}
	u.edges.set(u.enable&enableRx != 0 && (len(u.fifo) >= u.trigger || u.timedOut()) || u.enable&enableTx != 0 && u.empty)
}

func (u *realLine) in(port uint16) (v uint8) {
	u.m.pass(clock.Microsecond)
	switch port - u.base {
	case regData:
		if len(u.fifo) > 0 {
			v, u.fifo, u.touched = u.fifo[0], u.fifo[1:], u.m.now
		}
	case regIdent:
		switch {
		case u.enable&enableRx != 0 && len(u.fifo) >= u.trigger:
			v = identRx
		case u.enable&enableRx != 0 && u.timedOut():
			v = 0xc
		case u.enable&enableTx != 0 && u.empty:
			v, u.empty = 2, false
		default:
			v = identNone
		}
	case regStatus:
		if len(u.fifo) > 0 {
			v |= statusRxReady
		}
		if len(u.out) == 0 {
			v |= statusTxEmpty | statusTxIdle
		}
		if u.overrun {
			v |= statusOverrun
		}
		u.overrun = false
	case regScratch:
		v = u.scratch
	}
	u.settle()
	return v
}

func (u *realLine) put(port uint16, v uint8) {
	u.m.pass(clock.Microsecond)
	switch reg := port - u.base; {
	case reg == regLine:
		u.divisor = v&lineDLAB != 0
	case u.divisor:
	case reg == regData:
		if len(u.out) == 0 {
			u.leaves = u.m.now + lineByte
		}
		u.out, u.empty = append(u.out, v), false
	case reg == regEnable:
		u.empty = u.empty || v&^u.enable&enableTx != 0 && len(u.out) == 0
		u.enable = v
	case reg == regFIFO:
		u.trigger = [4]int{1, 4, 8, 14}[v>>6]
	case reg == regModem:
		u.modem = v
	case reg == regScratch:
		u.scratch = v
	}
	u.settle()
}

// board is CPU 0 with the devices whose interrupts it has.
type board struct {
	now     clock.Time
	tick    clock.Time // when the next tick comes
	latency func() clock.Time
	c       percpu.CPU
	lines   []*realLine
	devices []device
	work    []func() // what threads do each 100 us
}

type device struct {
	*edges
	interrupt func()
}

func (m *board) pass(d clock.Time) {
	m.now += d
	for _, u := range m.lines {
		u.settle()
	}
}

// run lets the time pass until the lines are empty, and a while longer.
func (m *board) run(t *testing.T) {
	const step = 10 * clock.Microsecond
	next := m.now
	for quiet := m.now; m.now < quiet+100*clock.Millisecond; {
		require.Less(t, m.now, 100*clock.Second, "the lines do not end")
		for _, u := range m.lines {
			if len(u.wire) > 0 {
				quiet = m.now
			}
		}
		if m.now >= m.tick {
			m.tick = m.now + window
			Resume(&m.c)
		}
		if m.now >= next {
			next = m.now + 100*clock.Microsecond
			for _, w := range m.work {
				w()
			}
		}
		served := false
		for _, d := range m.devices {
			if d.edge {
				m.pass(m.latency())
				d.edge, served = false, true
				d.interrupt()
			}
		}
		if !served {
			m.pass(step)
		}
	}
}

// usual is how late an interrupt comes on a real machine: mostly some microseconds, and 100 us when the core has its longest
// stretch with interrupts off, or 300 when the firmware takes the CPU away (a system management interrupt).
func usual(r *rand.Rand) func() clock.Time {
	return func() clock.Time {
		switch n := r.IntN(1000); {
		case n < 900:
			return clock.Time(2+r.IntN(10)) * clock.Microsecond
		case n < 997:
			return clock.Time(r.IntN(100)) * clock.Microsecond
		}
		return 300 * clock.Microsecond
	}
}

func newBoard(t *testing.T) *board {
	m := &board{}
	m.latency = usual(rand.New(rand.NewPCG(1, 2)))
	oldNow, oldWindow := now, window
	now = func() clock.Time { return m.now }
	t.Cleanup(func() {
		now, window = oldNow, oldWindow
		spent.since, spent.used = 0, 0
		paused.Store(0)
	})
	return m
}

// far is a real line of a port, what the other end sends on it, and what the kernel has received.
type far struct {
	*realLine
	all, got []byte
	counts   func() Counts
}

// connect makes a real line on which n bytes come.
func (m *board) connect(base uint16, n int) *far {
	f := &far{realLine: &realLine{m: m, base: base, trigger: 1}}
	f.all = random(rand.New(rand.NewPCG(3, 4)), n)
	f.wire = f.all
	m.lines = append(m.lines, f.realLine)
	return f
}

// stdio connects the port of programs. Its reader takes 200 bytes each 100 us while reads reports true; with both, a
// program writes as much as the port takes.
func (m *board) stdio(t *testing.T, n int, both bool, reads func() bool) *far {
	f := m.connect(0x3e8, n)
	Stdio = Port{in: f.in, out: f.put}
	t.Cleanup(func() { Stdio = Port{} })
	require.True(t, Stdio.Open(0x3e8))
	Stdio.UseInterrupts(&m.c)
	f.at = m.now + lineByte
	buf, piece := make([]byte, 200), make([]byte, 4000)
	m.devices = append(m.devices, device{&f.edges, func() { Stdio.Interrupt(&m.c) }})
	m.work = append(m.work, func() {
		if reads() {
			f.got = append(f.got, buf[:take(&m.c, &Stdio, buf)]...)
		}
		if both {
			Stdio.Write(&m.c, piece)
		}
	})
	f.counts = func() Counts { _, n, _ := Stdio.Counts(&m.c); return n }
	return f
}

// console connects the console's port.
func (m *board) console(t *testing.T, n int, both bool) *far {
	f := m.connect(0, n)
	oldIn, oldOut := in8, out8
	in8, out8 = f.in, f.put
	present, tx.buf, rx.buf, counts = true, txBytes[:], rxBytes[:], Counts{}
	tx.clear()
	rx.clear()
	t.Cleanup(func() {
		in8, out8, present, irqs, wanted, waits, counts, taken = oldIn, oldOut, false, false, false, false, Counts{}, intake{}
	})
	UseInterrupts(&m.c)
	f.at = m.now + lineByte
	buf, piece := make([]byte, 200), make([]byte, 4000)
	m.devices = append(m.devices, device{&f.edges, func() { Interrupt(&m.c) }})
	m.work = append(m.work, func() {
		f.got = append(f.got, buf[:Read(&m.c, buf)]...)
		if both {
			Write(&m.c, piece, false)
		}
	})
	f.counts = func() Counts { return ConsoleCounts(&m.c) }
	return f
}

// storm connects the control port to a UART that sends at once, and to which other CPUs write without pause, so
// that it uses up the share.
func (m *board) storm(t *testing.T) (u *uart) {
	u = &uart{}
	Control = Port{
		in:  func(port uint16) uint8 { m.pass(clock.Microsecond); return u.in(port) },
		out: func(port uint16, v uint8) { m.pass(clock.Microsecond); u.out(port, v) },
	}
	t.Cleanup(func() { Control = Port{} })
	require.True(t, Control.Open(0x3e8))
	Control.UseInterrupts(&m.c)
	piece := make([]byte, 4000)
	e := &edges{}
	write := func() {
		for Control.Write(&m.c, piece) {
		}
		e.edge, u.edge = e.edge || u.edge, false
	}
	m.work = append(m.work, write)
	m.devices = append(m.devices, device{e, func() { Control.Interrupt(&m.c); write() }})
	return u
}

func always() bool { return true }

const lineBytes = 6000

// near are the ports with a real line.
var near = map[string]func(t *testing.T, m *board, both bool) *far{
	"stdio":   func(t *testing.T, m *board, both bool) *far { return m.stdio(t, lineBytes, both, always) },
	"console": func(t *testing.T, m *board, both bool) *far { return m.console(t, lineBytes, both) },
}

func (f *far) complete(t *testing.T) {
	t.Helper()
	require.Zero(t, f.lost, "bytes that found the FIFO full")
	require.True(t, bytes.Equal(f.all, f.got), "%d of %d bytes", len(f.got), len(f.all))
	require.Equal(t, Counts{Received: uint64(len(f.all))}, f.counts())
}

// incomplete is what the controls expect: bytes are lost, and the kernel knows it.
func (f *far) incomplete(t *testing.T) {
	t.Helper()
	n := f.counts()
	t.Logf("%d of %d bytes lost, overruns seen: %d", f.lost, len(f.all), n.Overruns)
	require.Positive(t, f.lost)
	require.Len(t, f.got, len(f.all)-f.lost)
	require.Positive(t, n.Overruns)
	require.LessOrEqual(t, n.Overruns, uint64(f.lost))
}

// At 115,200 baud nothing is lost, without flow control, while the port sends as well.
func TestReceiveLosesNothing(t *testing.T) {
	for name, connect := range near {
		for traffic, both := range map[string]bool{"in": false, "in and out": true} {
			t.Run(name+" "+traffic, func(t *testing.T) {
				m := newBoard(t)
				f := connect(t, m, both)
				m.run(t)
				f.complete(t)
				require.Equal(t, both, f.sent > lineBytes/2, "bytes sent: %d", f.sent)
			})
		}
	}
	t.Run("two ports", func(t *testing.T) {
		m := newBoard(t)
		s, c := m.stdio(t, lineBytes, true, always), m.console(t, lineBytes, true)
		m.run(t)
		s.complete(t)
		c.complete(t)
	})
}

// Nothing is lost while another port uses up the share, so that no port sends for most of the time. The controls
// are ports that also receive nothing then.
func TestReceiveInPause(t *testing.T) {
	for name, connect := range near {
		t.Run(name, func(t *testing.T) {
			m := newBoard(t)
			f := connect(t, m, true)
			u := m.storm(t)
			pauses := 0
			m.work = append(m.work, func() { pauses += int(paused.Load()) })
			m.run(t)
			t.Logf("paused in %d of %d steps; the other port sent %d bytes", pauses, m.now/(100*clock.Microsecond), len(u.sent))
			require.Greater(t, pauses, 500)
			f.complete(t)
		})
		t.Run(name+" without receiving", func(t *testing.T) {
			defer func(old clock.Time) { lines = old }(lines)
			lines = 0
			m := newBoard(t)
			f := connect(t, m, true)
			m.storm(t)
			m.run(t)
			f.incomplete(t)
		})
	}
}

// A reader that pauses makes RTS stop a sender in time, one that looks at RTS each time it fills its FIFO. The control
// drops RTS only when the ring is full.
func TestReceiveStopsSender(t *testing.T) {
	run := func(t *testing.T) *far {
		m := newBoard(t)
		steps := 0
		f := m.stdio(t, 40_000, false, func() bool { steps++; return steps%40_000 > 20_000 }) // 2 s without reading: more than the ring
		f.flow = true
		m.run(t)
		for len(f.got) < len(f.all)-f.lost {
			buf := make([]byte, 1000)
			n := take(&m.c, &Stdio, buf)
			require.NotZero(t, n)
			f.got = append(f.got, buf[:n]...)
		}
		return f
	}
	t.Run("in time", func(t *testing.T) { run(t).complete(t) })
	t.Run("too late", func(t *testing.T) {
		defer func(old int) { reserve = old }(reserve)
		reserve = 0
		run(t).incomplete(t)
	})
}

// Negative controls: interrupts that come 2 ms late, and a FIFO whose trigger leaves room for two bytes with
// interrupts that come 400 us late, which the driver's own trigger can bear.
func TestReceiveLosses(t *testing.T) {
	for name, connect := range near {
		t.Run(name+" late", func(t *testing.T) {
			m := newBoard(t)
			m.latency = func() clock.Time { return 2 * clock.Millisecond }
			f := connect(t, m, false)
			m.run(t)
			f.incomplete(t)
		})
	}
	late := func() clock.Time { return 400 * clock.Microsecond }
	t.Run("trigger 14", func(t *testing.T) {
		m := newBoard(t)
		m.latency = late
		f := m.stdio(t, lineBytes, false, always)
		f.trigger = 14
		m.run(t)
		f.incomplete(t)
	})
	t.Run("trigger 8", func(t *testing.T) {
		m := newBoard(t)
		m.latency = late
		f := m.stdio(t, lineBytes, false, always)
		m.run(t)
		f.complete(t)
	})
}
