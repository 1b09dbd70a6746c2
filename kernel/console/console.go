// Package console is the serial port of the console, the text on the screen, the serial
// ports of programs, the kernel log, and the plain text output of a panic.
//
// Output goes into a ring that the UART's interrupt empties, 16 bytes at a time.
// Before UseInterrupts, and in a panic, output is sent by polling with a bound. The screen
// shows the same (screen.go).
//
// Layer: core.
// Context: interrupts off.
// Locks: console.mu guards the console's rings, the log, its UART and the text of the screen,
// Port.mu a port. A panic takes none.
// Manual: National Semiconductor PC16550D data sheet.
// Chapter: docs/06-interrupts.md, docs/14-screen.md.
// Left out: other speeds.
package console

import (
	"muster/kernel/clock"
	"muster/kernel/lock"
	"muster/kernel/percpu"
)

var (
	mu      = lock.Spin{Rank: lock.RankConsole}
	present bool // a UART answered
	irqs    bool // its interrupt calls Interrupt
	tx      ring // bytes to send
	rx      ring // bytes received
	wanted  bool // a Write found no room, and waits for Interrupt to report some
	waits   bool // the interrupts have had their share of the time, and send nothing until Resume
	taken   intake
	counts  Counts // of the console's port

	txBytes [16 << 10]byte
	rxBytes [4 << 10]byte
)

// Init finds the serial port. Until UseInterrupts, output is polled.
//
// Context: boot CPU, before any output.
func Init() {
	tx.buf, rx.buf = txBytes[:], rxBytes[:]
	present = findFirst()
}

// UseInterrupts says that the UART's interrupt is routed to Interrupt from now on.
func UseInterrupts(c *percpu.CPU) {
	mu.Lock(c)
	irqs = present
	if irqs {
		out8(uartEnable, enableRx)
		kick()
	}
	mu.Unlock(c)
}

// Write takes all of p, at most half a ring, or nothing: then the caller waits until
// Interrupt reports space. p has its carriage returns already (AddReturns). session says that
// it comes from the session of the serial port. Afterwards the caller calls Pump until that
// reports false.
//
// Context: any thread; does not block.
func Write(c *percpu.CPU, p []byte, session bool) (ok bool) {
	if mute {
		return true
	}
	mu.Lock(c)
	room := len(txBytes) - tx.len()
	switch {
	case session && room >= len(p):
		tx.put(p)
		serialOpen.note(p)
		ok = true
	case !session && room >= len(p)+serialOpen.room():
		serialOpen.putBetween(&tx, p)
		ok = true
	default:
		wanted = true
	}
	if irqs {
		kick()
	}
	mu.Unlock(c)
	return ok
}

// Pump sends up to 16 bytes by polling, if there are no interrupts. It reports whether
// it did, so that there may be more bytes that nothing else sends.
//
// Context: any thread; waits for the UART as uartWait.
func Pump(c *percpu.CPU) (sent bool) {
	mu.Lock(c)
	sent = !irqs && tx.len() > 0
	if sent && present && uartWait(statusTxEmpty) {
		fillFIFO()
	} else if sent {
		drop()
	}
	mu.Unlock(c)
	return sent
}

// writeAll takes all of p. What does not fit into the ring is sent by polling.
//
// Locks: mu held.
func writeAll(c *percpu.CPU, p []byte) {
	mu.AssertHeld(c)
	for {
		p = p[tx.putText(p):]
		if len(p) == 0 || reporting.Load() != 0 {
			break
		}
		sendPolled()
	}
	kick()
}

// kick starts the transmitter, or sends everything when there are no interrupts.
func kick() {
	if !irqs {
		sendPolled()
		return
	}
	if status()&statusTxEmpty != 0 {
		fillFIFO()
	}
	enableInterrupts()
}

// sendPolled empties the ring into the UART, or drops it when the UART is stuck or absent.
func sendPolled() {
	for tx.len() > 0 && reporting.Load() == 0 {
		if !present || !uartWait(statusTxEmpty) {
			drop()
			return
		}
		fillFIFO()
	}
}

// fillFIFO writes up to 16 bytes to the UART, whose transmitter must be empty. From the moment at which
// another CPU begins a report, the port is that CPU's.
func fillFIFO() {
	for i := 0; i < fifoDepth && reporting.Load() == 0; i++ {
		b, ok := tx.get()
		if !ok {
			break
		}
		out8(uartData, b)
		mirrorByte(b)
	}
	sendMirrors()
}

// drop empties the ring when the UART is stuck or absent; the mirrors still get the bytes.
func drop() {
	for b, ok := tx.get(); ok; b, ok = tx.get() {
		mirrorByte(b)
	}
}

// enableInterrupts enables the transmitter's interrupt while there is something to
// send, or a thread that waits for room. While the port waits for Resume it only receives, as long as no
// more comes than a line brings.
func enableInterrupts() {
	e := uint8(enableRx)
	if tx.len() > 0 || wanted {
		e |= enableTx
	}
	if waits {
		e = 0
		if taken.allowed() {
			e = enableRx
		}
	}
	out8(uartEnable, e)
}

// maxRounds bounds one call of Interrupt: a UART that an emulator makes is ready again
// at once.
const maxRounds = 16

// Interrupt is the top half of COM1's interrupt. The line is edge-triggered: Interrupt
// leaves no cause pending, or makes a new edge for what is left. input says that Read has
// something to return, space that Write has room again, cause that the UART had a reason to
// interrupt.
//
// Context: interrupt handler.
func Interrupt(c *percpu.CPU) (input, space, cause bool) {
	began, i := now(), 0 // with the wait for the lock
	mu.Lock(c)
	for ; i < maxRounds; i++ {
		waits = waits || overrun(began)
		if waits && !taken.allowed() || in8(uartIdent)&identNone != 0 {
			break
		}
		s := status()
		if s&statusRxReady != 0 {
			receive()
			input = true
		}
		if !waits && s&statusTxEmpty != 0 {
			fillFIFO()
			if tx.len() <= len(txBytes)/2 {
				space, wanted = true, false
				queueNotice(c, clock.Now())
			}
			enableInterrupts()
		}
	}
	waits = charge(c, began) || waits
	if waits {
		c.Retick = 1 // the tick calls Resume
	}
	if i == maxRounds || waits {
		out8(uartEnable, 0)
		enableInterrupts()
	}
	cause = i > 0 || waits
	mu.Unlock(c)
	return input, space, cause
}

// receive takes a byte that the UART has.
func receive() {
	b := in8(uartData)
	taken.note(1)
	counts.Received++
	if !rx.putByte(b) {
		counts.Dropped++
	}
}

// Read takes received bytes, at most len(p), and returns their number.
func Read(c *percpu.CPU, p []byte) int {
	mu.Lock(c)
	n := rx.take(p)
	mu.Unlock(c)
	return n
}

// Drain waits until everything is sent, at most 10 ms for each FIFO full, and shown. It is
// called before the machine is switched off.
func Drain(c *percpu.CPU) {
	mu.Lock(c)
	sendPolled()
	queueNotice(c, clock.Now())
	sendPolled()
	if present {
		uartWait(statusTxIdle)
	}
	drainMirrors()
	mu.Unlock(c)
	drainScreen(c)
}
