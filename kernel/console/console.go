// Package console is the serial port, the kernel log, and the plain text output
// of a panic.
//
// Output goes into a ring that the UART's interrupt empties, 16 bytes at a time.
// Before UseInterrupts, and in a panic, output is sent by polling with a bound.
//
// Layer: core.
// Context: interrupts off.
// Locks: console.mu guards both rings, the log and the UART; a panic takes none.
// Manual: National Semiconductor PC16550D data sheet.
// Chapter: docs/06-interrupts.md.
// Left out: other ports and speeds; framebuffer and VGA text.
package console

import (
	"muster/kernel/cpu"
	"muster/kernel/lock"
	"muster/kernel/percpu"
)

var (
	mu      = lock.Spin{Rank: lock.RankConsole}
	present bool // a UART answered
	irqs    bool // its interrupt calls Interrupt
	tx      ring // bytes to send
	rx      ring // bytes received
	lost    uint64

	txBytes [16 << 10]byte
	rxBytes [4 << 10]byte
)

// Init finds the serial port. Until UseInterrupts, output is polled.
//
// Context: boot CPU, before any output.
func Init() {
	tx.buf, rx.buf = txBytes[:], rxBytes[:]
	present = uartInit()
}

// UseInterrupts says that the UART's interrupt is routed to Interrupt from now on.
func UseInterrupts(c *percpu.CPU) {
	mu.Lock(c)
	irqs = present
	if irqs {
		cpu.Out8(uartEnable, enableRx)
		kick()
	}
	mu.Unlock(c)
}

// Write takes as much of p as fits into the ring and returns the number of bytes.
// If that is fewer than len(p), the caller waits until Interrupt reports space.
//
// Context: any thread; does not block.
func Write(c *percpu.CPU, p []byte) int {
	mu.Lock(c)
	n := tx.putText(p)
	kick()
	mu.Unlock(c)
	return n
}

// HasRoom reports whether Write would take any bytes.
func HasRoom(c *percpu.CPU) bool {
	mu.Lock(c)
	room := tx.len() <= len(txBytes)/2 // as Interrupt: then it wakes
	mu.Unlock(c)
	return room
}

// writeAll takes all of p. What does not fit into the ring is sent by polling, because
// the kernel log cannot wait.
//
// Locks: mu held.
func writeAll(c *percpu.CPU, p []byte) {
	mu.AssertHeld(c)
	for {
		p = p[tx.putText(p):]
		if len(p) == 0 {
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
	if cpu.In8(uartStatus)&statusTxEmpty != 0 {
		fillFIFO()
	}
	enableInterrupts()
}

// sendPolled empties the ring into the UART, or drops it when the UART is stuck or absent.
func sendPolled() {
	for tx.len() > 0 {
		if !present || !uartWait(statusTxEmpty) {
			tx.clear()
			return
		}
		fillFIFO()
	}
}

// fillFIFO writes up to 16 bytes to the UART, whose transmitter must be empty.
func fillFIFO() {
	for i := 0; i < fifoDepth; i++ {
		b, ok := tx.get()
		if !ok {
			return
		}
		cpu.Out8(uartData, b)
	}
}

// enableInterrupts enables the transmitter's interrupt while there is something to
// send.
func enableInterrupts() {
	e := uint8(enableRx)
	if tx.len() > 0 {
		e |= enableTx
	}
	cpu.Out8(uartEnable, e)
}

// Interrupt is the top half of COM1's interrupt. It must leave no cause pending,
// since the line is edge-triggered; it takes at most a ring full of bytes. input
// says that Read has something to return, space that Write has room again.
//
// Context: interrupt handler.
func Interrupt(c *percpu.CPU) (input, space bool) {
	mu.Lock(c)
	for i := 0; i < len(rxBytes) && cpu.In8(uartIdent)&identNone == 0; i++ {
		status := cpu.In8(uartStatus)
		if status&statusRxReady != 0 {
			if !rx.putByte(cpu.In8(uartData)) {
				lost++
			}
			input = true
		}
		if status&statusTxEmpty != 0 {
			fillFIFO()
			enableInterrupts()
			space = true
		}
	}
	space = space && tx.len() <= len(txBytes)/2
	mu.Unlock(c)
	return input, space
}

// Read takes received bytes, at most len(p), and returns their number.
func Read(c *percpu.CPU, p []byte) int {
	mu.Lock(c)
	n := rx.take(p)
	mu.Unlock(c)
	return n
}

// Drain waits until everything is sent, at most 10 ms for each FIFO full. It is
// called before the machine is switched off.
func Drain(c *percpu.CPU) {
	mu.Lock(c)
	sendPolled()
	if present {
		uartWait(statusTxIdle)
	}
	mu.Unlock(c)
}
