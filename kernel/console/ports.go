package console

import (
	"muster/kernel/clock"
	"muster/kernel/cpu"
	"muster/kernel/percpu"
)

// The console is the first serial port that answers. The others that answer are mirrors:
// they send what it sends, and nothing is read from them.

// Legacy are the addresses of COM1 to COM4 (IBM PC AT Technical Reference; there is no
// table that lists the ports).
var Legacy = [4]uint16{0x3f8, 0x2f8, 0x3e8, 0x2e8}

// mirror is a port beside the console's. It gets a byte when the console's port gets
// it. Both have the same speed, so its ring stays short; if it is full, bytes are lost.
type mirror struct {
	at    Place
	tx    ring
	dead  bool // a report waited for it in vain
	bytes [8 << 10]byte
}

// The mirrors, guarded by mu.
var (
	mirrors [4]mirror
	mirrorN int
)

// findFirst looks for the console's port.
func findFirst() bool {
	for _, base := range Legacy {
		if p := (Place{Addr: uintptr(base)}); p.answers() {
			first = p
			saveKeys()
			p.prepare()
			return true
		}
	}
	return false
}

// AddLegacy makes mirrors of the COM ports that answer, but not of those in except, which
// are for programs. If the console's own port is one of them, the console moves to the next.
//
// Context: boot CPU, once, after the command line is known.
func AddLegacy(c *percpu.CPU, except [2]uint16) {
	if present && first.Stride == 0 && (first.Addr == uintptr(except[0]) || first.Addr == uintptr(except[1])) {
		present = false
	}
	for _, base := range Legacy {
		p := Place{Addr: uintptr(base)}
		if base == except[0] || base == except[1] || present && p == first || !p.answers() {
			continue
		}
		p.prepare()
		add(c, p)
	}
}

// Result is the result of AddPort.
type Result uint8

// Results.
const (
	Added    Result = iota
	Known           // the port has the log already
	Silent          // no UART answers
	TooMany         // there is no room for another mirror
	AddedOne        // the port is the console's from now on, as there was none
)

// AddPort makes a mirror of a port, or the console's port if there is none. If firmware uses
// the port, its speed stays: set is false.
//
// Context: a private call.
func AddPort(c *percpu.CPU, p Place, set bool) Result {
	mu.Lock(c)
	known := present && p == first
	for i := range mirrors[:mirrorN] {
		known = known || mirrors[i].at == p
	}
	full := mirrorN == len(mirrors)
	mu.Unlock(c)
	switch {
	case known:
		return Known
	case full:
		return TooMany
	case !p.answers():
		return Silent
	}
	if set {
		p.prepare()
	} else {
		p.adopt()
	}
	return add(c, p)
}

// add makes p a mirror, or the console's port, and sends it the log so far.
func add(c *percpu.CPU, p Place) Result {
	mu.Lock(c)
	to, result := &tx, AddedOne
	if present {
		m := &mirrors[mirrorN]
		m.at, m.tx.buf = p, m.bytes[:]
		mirrorN++
		to, result = &m.tx, Added
	} else {
		first, present = p, true
	}
	if !(mute && showing) {
		replay(to)
	}
	mu.Unlock(c)
	return result
}

// replay puts the newest lines of the log that fit into a ring.
//
// Locks: mu held; not asserted: add has just taken it.
func replay(to *ring) {
	total := 0
	for pos := logStart; pos < logEnd; {
		n, size := replaySize(pos)
		total += size
		pos += n
	}
	for pos := logStart; pos < logEnd; {
		n, size := replaySize(pos)
		if total > len(to.buf)-to.len() {
			total -= size // too old
		} else if size > 0 {
			var l Line
			prefix(&l, clock.Time(logAt(pos+8, 8)), uint32(logAt(pos+4, 4)))
			to.putText(l.Bytes())
			for i := range n - headerLen {
				to.putByte(byte(logAt(pos+headerLen+i, 1)))
			}
			l.n = 0
			to.putText(l.Byte('\n').Bytes())
			total -= size
		}
		pos += n
	}
}

// replaySize returns the size of the record at pos, and how many bytes its line may take: 0
// if it is not printed.
func replaySize(pos uint64) (n uint64, line int) {
	n = headerLen + logAt(pos, 2)
	if Level(logAt(pos+2, 1)) < logPrint {
		line = maxPrefix + int(n)
	}
	return n, line
}

// maxPrefix is longer than what prefix writes, for the next 30 years.
const maxPrefix = 40

// mirrorByte gives the mirrors a byte that the console's port got.
func mirrorByte(b byte) {
	for i := range mirrors[:mirrorN] {
		mirrors[i].tx.putByte(b)
	}
}

// sendMirrors gives each mirror up to a FIFO full of bytes, if its transmitter is empty. During a report
// the reporter alone sends.
func sendMirrors() {
	if reporting.Load() != 0 {
		return
	}
	for i := range mirrors[:mirrorN] {
		mirrors[i].send()
	}
}

func (m *mirror) send() {
	if m.tx.len() == 0 || m.at.get(uartStatus)&statusTxEmpty == 0 {
		return
	}
	for range fifoDepth {
		b, ok := m.tx.get()
		if !ok {
			return
		}
		m.at.set(uartData, b)
	}
}

// await is uartWait for a mirror.
func (m *mirror) await(bit uint8) bool {
	for end := clock.After(10 * clock.Millisecond); m.at.get(uartStatus)&bit == 0; cpu.Pause() {
		if end.Passed() {
			return false
		}
	}
	return true
}

// emergencyMirrors sends a byte of a report. A mirror that is stuck costs 10 ms once.
func emergencyMirrors(b byte) {
	for i := range mirrors[:mirrorN] {
		m := &mirrors[i]
		if m.dead {
			continue
		}
		if m.dead = !m.await(statusTxEmpty); !m.dead {
			m.at.set(uartData, b)
		}
	}
}

// drainMirrors sends all that the mirrors hold, at most 10 ms for each FIFO full.
func drainMirrors() {
	for i := range mirrors[:mirrorN] {
		m := &mirrors[i]
		for m.tx.len() > 0 && m.await(statusTxEmpty) {
			m.send()
		}
		m.dead = m.tx.len() > 0
		m.tx.clear()
		m.await(statusTxIdle)
	}
}

// Poll does by polling what no interrupt does: it sends to the mirrors, and without an
// interrupt of the console's port it sends and receives there. It does not wait.
//
// Context: a private call, on each tick.
func Poll(c *percpu.CPU) {
	mu.Lock(c)
	if present && !irqs {
		for i := 0; i < fifoDepth && status()&statusRxReady != 0; i++ {
			receive()
		}
		if tx.len() > 0 && status()&statusTxEmpty != 0 {
			fillFIFO()
		}
	}
	sendMirrors()
	mu.Unlock(c)
}

// Ports returns where the console's port is, and how many mirrors there are.
func Ports(c *percpu.CPU) (at Place, ok bool, n int) {
	mu.Lock(c)
	at, ok, n = first, present, mirrorN
	mu.Unlock(c)
	return at, ok, n
}
