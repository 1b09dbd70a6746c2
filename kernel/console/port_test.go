package console

import (
	"bytes"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"muster/kernel/percpu"
)

// uart is a 16550 whose line at the other end is a test. Its interrupt line is
// edge-triggered.
type uart struct {
	wire     []byte // bytes on their way to it
	fifo     []byte
	sent     []byte
	busy     bool // the other end takes no bytes now
	stuck    int  // bytes in its transmitter meanwhile
	enable   uint8
	empty    bool // the transmitter's interrupt is pending
	scratch  uint8
	divisor  bool // regData and regEnable are the divisor's
	level    bool // of the interrupt line
	edge     bool // it has gone up since Interrupt was called
	accesses int
}

func newPort(u *uart) *Port {
	p := &Port{in: u.in, out: u.out}
	if !p.Open(0x3e8) {
		return nil
	}
	return p
}

// settle moves bytes from the wire, and looks at the interrupt line.
func (u *uart) settle() {
	n := min(fifoDepth-len(u.fifo), len(u.wire))
	u.fifo = append(u.fifo, u.wire[:n]...)
	u.wire = u.wire[n:]
	level := u.enable&enableRx != 0 && len(u.fifo) > 0 || u.enable&enableTx != 0 && u.empty
	u.edge = u.edge || level && !u.level
	u.level = level
}

func (u *uart) in(port uint16) (v uint8) {
	u.accesses++
	switch port - 0x3e8 {
	case regData:
		if len(u.fifo) > 0 {
			v, u.fifo = u.fifo[0], u.fifo[1:]
		}
	case regIdent:
		switch {
		case u.enable&enableRx != 0 && len(u.fifo) >= rxTrigger:
			v = identRx
		case u.enable&enableRx != 0 && len(u.fifo) > 0:
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
		if u.stuck == 0 {
			v |= statusTxEmpty | statusTxIdle
		}
	case regScratch:
		v = u.scratch
	}
	u.settle()
	return v
}

func (u *uart) out(port uint16, v uint8) {
	u.accesses++
	reg := port - 0x3e8
	switch {
	case reg == regLine:
		u.divisor = v&lineDLAB != 0
	case u.divisor:
	case reg == regData:
		u.sent = append(u.sent, v)
		if u.busy {
			u.stuck++
		} else {
			u.empty = true
		}
	case reg == regEnable:
		u.empty = u.empty || v&^u.enable&enableTx != 0 && u.stuck == 0
		u.enable = v
	case reg == regScratch:
		u.scratch = v
	}
	u.settle()
}

// free lets the other end take bytes again.
func (u *uart) free() {
	u.busy = false
	if u.stuck > 0 {
		u.stuck, u.empty = 0, true
	}
	u.settle()
}

// serve calls Interrupt while there is an edge, and reports what it said.
func (u *uart) serve(t *testing.T, c *percpu.CPU, p *Port) (input, space bool) {
	for n := 0; u.edge; n++ {
		require.Less(t, n, 10000, "interrupts without end")
		u.edge, u.accesses = false, 0
		i, s, _ := p.Interrupt(c)
		require.LessOrEqual(t, u.accesses, maxRounds*(3*fifoDepth+4), "one interrupt takes a bounded number of steps")
		input, space = input || i, space || s
	}
	return input, space
}

func random(r *rand.Rand, n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return b
}

// take reads bytes that a program has got.
func take(c *percpu.CPU, p *Port, b []byte) int {
	n := p.Peek(c, b)
	p.Drop(c, n)
	return n
}

// What is written goes out, and what comes in is read, each byte once and in order, while
// the other end stops and goes on, and the reader comes and goes.
func TestPortBytes(t *testing.T) {
	for seed := range uint64(50) {
		r := rand.New(rand.NewPCG(seed, 0))
		c, u := &percpu.CPU{}, &uart{}
		p := newPort(u)
		p.UseInterrupts(c)
		var wrote, read []byte
		in := random(r, 100_000)
		left := in
		full := false
		buf := make([]byte, 5000)
		for len(read) < len(in) || len(wrote) < 200_000 {
			switch r.IntN(6) {
			case 0, 1:
				b := random(r, 1+r.IntN(len(p.txBytes)/2))
				if !full && p.Write(c, b) {
					wrote = append(wrote, b...)
				} else if !full {
					full = true // wait for Interrupt
				}
			case 2:
				n := min(r.IntN(20_000), len(left))
				u.wire = append(u.wire, left[:n]...)
				left = left[n:]
				u.settle()
			case 3:
				read = append(read, buf[:take(c, p, buf[:r.IntN(len(buf))])]...)
			case 4:
				u.busy = true
			case 5:
				u.free()
			}
			if _, space := u.serve(t, c, p); space {
				full = false
			}
			if full && !u.busy {
				require.Greater(t, p.Unsent(c), 0, "no report of space, and nothing to send")
			}
		}
		u.free()
		u.serve(t, c, p)
		require.True(t, bytes.Equal(in, read), "seed %d: received", seed)
		require.True(t, bytes.Equal(wrote, u.sent), "seed %d: sent", seed)
		require.Zero(t, p.Unsent(c))
	}
}

// Without room the port takes no byte from the line, and goes on when there is room.
func TestPortStopsTheLine(t *testing.T) {
	c, u := &percpu.CPU{}, &uart{}
	p := newPort(u)
	p.UseInterrupts(c)
	const more = 100
	u.wire = make([]byte, len(p.rxBytes)+fifoDepth+more)
	u.settle()
	u.serve(t, c, p)
	require.Len(t, u.wire, more)
	require.Len(t, u.fifo, fifoDepth)
	require.Zero(t, u.enable&enableRx)
	buf := make([]byte, 1)
	require.Equal(t, 1, take(c, p, buf))
	u.serve(t, c, p)
	require.Len(t, u.wire, more-1)
	large := make([]byte, len(p.rxBytes))
	require.Equal(t, len(large), take(c, p, large))
	u.serve(t, c, p)
	require.Empty(t, u.wire)
}

// All of the input has come after as many bytes as the other end says.
func TestPortEnd(t *testing.T) {
	c, u := &percpu.CPU{}, &uart{}
	p := newPort(u)
	p.UseInterrupts(c)
	state := func() [2]bool { b, e := p.Readable(c); return [2]bool{b, e} }
	require.Equal(t, [2]bool{false, false}, state())
	p.End(c, 3)
	require.Equal(t, [2]bool{false, false}, state(), "three bytes are on their way")
	u.wire = []byte("abc")
	u.settle()
	u.serve(t, c, p)
	require.Equal(t, [2]bool{true, true}, state())
	buf := make([]byte, 8)
	require.Equal(t, 3, take(c, p, buf))
	require.Equal(t, [2]bool{false, true}, state())
}

// Bytes that a program did not get stay, and none comes from the line in their place.
func TestPortKeeps(t *testing.T) {
	c, u := &percpu.CPU{}, &uart{}
	p := newPort(u)
	p.UseInterrupts(c)
	in := random(rand.New(rand.NewPCG(1, 0)), len(p.rxBytes)+fifoDepth+1)
	u.wire = in
	u.settle()
	u.serve(t, c, p)
	buf := make([]byte, 100)
	for range 2 {
		require.Equal(t, len(buf), p.Peek(c, buf))
		require.Equal(t, in[:100], buf)
	}
	require.Len(t, u.wire, 1, "the ring is full")
	p.Drop(c, 40)
	u.serve(t, c, p)
	require.Empty(t, u.wire)
	require.Equal(t, len(buf), p.Peek(c, buf))
	require.Equal(t, in[40:140], buf)
	p.Drop(c, 0)
	rest := make([]byte, len(in))
	require.Equal(t, len(in)-40, take(c, p, rest))
	require.Equal(t, in[40:], rest[:len(in)-40])
	require.Zero(t, p.Peek(c, rest))
}

// A write is taken as a whole or not at all; room is reported once half the ring is free.
func TestPortWhole(t *testing.T) {
	c, u := &percpu.CPU{}, &uart{busy: true}
	p := newPort(u)
	p.UseInterrupts(c)
	half := make([]byte, len(p.txBytes)/2)
	require.True(t, p.Write(c, half))
	require.True(t, p.Write(c, half), "the first bytes are in the UART")
	require.False(t, p.Write(c, half))
	room, closed := p.Writable(c)
	require.Equal(t, [2]bool{false, false}, [2]bool{room, closed})
	u.free()
	_, space := u.serve(t, c, p)
	require.True(t, space)
	require.True(t, p.Write(c, half))
	p.Close(c)
	_, closed = p.Writable(c)
	require.True(t, closed)
}

func TestPortAbsent(t *testing.T) {
	p := &Port{in: func(uint16) uint8 { return 0xff }, out: func(uint16, uint8) {}}
	require.False(t, p.Open(0x3e8))
	require.False(t, p.IsOpen())
}
