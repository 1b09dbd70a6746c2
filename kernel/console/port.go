package console

import (
	"muster/kernel/cpu"
	"muster/kernel/lock"
	"muster/kernel/percpu"
)

// Port is a serial port for the bytes of programs, beside the console's: exactly the
// bytes of Write go out, and exactly those that came in are what Peek returns. It works by
// interrupts alone. A reader at the other end that is slow stops the output; when the
// ring of received bytes is full, the port takes no more from the line.
type Port struct {
	mu     lock.Spin
	base   uint16 // of the UART's registers
	tx, rx ring   // guarded by mu, as all below
	full   bool   // Write found the ring too full, and Interrupt has not reported space since
	counts Counts
	taken  intake
	end    uint64 // the line's end: no bytes after so many
	ended  bool   // end is known
	closed bool   // nothing reads what is written
	waits  bool   // the interrupts have had their share of the time, and send nothing until Resume
	held   bool   // RTS is off, since the ring is nearly full

	in      func(port uint16) uint8 // cpu.In8 and cpu.Out8, but in tests
	out     func(port uint16, v uint8)
	txBytes [16 << 10]byte
	rxBytes [16 << 10]byte
}

// Stdio has the bytes of descriptors 0 and 1 of programs. Control has what the other end
// says about them, and may have the bytes of descriptor 2.
var Stdio, Control Port

// IsOpen reports whether p was opened.
func (p *Port) IsOpen() bool { return p.base != 0 }

// Open finds the UART at a base address, and prepares it: 115200 baud, 8N1, no interrupts
// yet. It reports false when no UART answers.
//
// Context: once, before any other use of p.
func (p *Port) Open(base uint16) bool {
	p.mu.Rank = lock.RankConsole
	if p.in == nil {
		p.in, p.out = cpu.In8, cpu.Out8
	}
	p.tx.buf, p.rx.buf = p.txBytes[:], p.rxBytes[:]
	p.base = base
	p.set(regScratch, 0x5a)
	if p.get(regScratch) != 0x5a || p.get(regStatus) == 0xff {
		p.base = 0
		return false
	}
	p.set(regEnable, 0)
	p.set(regFIFO, fifoOn|fifoClear|fifoTrigger8)
	p.set(regLine, lineDLAB)
	p.set(regData, 1) // 115200/1
	p.set(regEnable, 0)
	p.set(regLine, line8N1)
	p.set(regModem, modemDTR|modemOut2) // RTS comes with interrupts
	return true
}

// UseInterrupts says that the UART's interrupt is routed to Interrupt from now on.
func (p *Port) UseInterrupts(c *percpu.CPU) {
	p.mu.Lock(c)
	p.enable()
	p.mu.Unlock(c)
}

// Registers of a 16550, from its base, and their bits beyond those of the console.
//
// Source: PC16550D data sheet, "FIFO Control Register", "Interrupt Identification
// Register" and "FIFO Interrupt Mode Operation".
const (
	regData    = uartData
	regEnable  = uartEnable
	regIdent   = uartIdent
	regFIFO    = uartFIFO
	regLine    = uartLine
	regModem   = uartModem
	regStatus  = uartStatus
	regScratch = uartScratch

	fifoOn       = 1 << 0
	fifoClear    = 3 << 1 // both directions
	fifoTrigger8 = 2 << 6 // an interrupt when 8 of 16 bytes have come, or after a pause
	rxTrigger    = 8      // so the handler may begin nine bytes later, 780 us; with 14 it would be 260 us

	identMask = 0xf
	identRx   = 0x4 // as many bytes have come as the trigger says
)

// status reads the status, and counts an overrun: reading clears the bit, so nothing else reads the register.
//
// Locks: p.mu held; not asserted: the callers have just taken it.
func (p *Port) status() uint8 {
	s := p.get(regStatus)
	if s&statusOverrun != 0 {
		p.counts.Overruns++
	}
	return s
}

func (p *Port) get(reg uint16) uint8 { return p.in(p.base + reg) }

func (p *Port) set(reg uint16, v uint8) { p.out(p.base+reg, v) }

// Interrupt is the top half of the port's interrupt, as console.Interrupt is COM1's. input
// says that Peek has something to return, space that Write has room again, cause that the
// UART had a reason to interrupt.
//
// Context: interrupt handler.
func (p *Port) Interrupt(c *percpu.CPU) (input, space, cause bool) {
	began, i := now(), 0 // with the wait for the lock
	p.mu.Lock(c)
	for ; i < maxRounds; i++ {
		p.waits = p.waits || overrun(began)
		if p.waits && !p.taken.allowed() {
			break
		}
		ident := p.get(regIdent)
		if ident&identNone != 0 {
			break
		}
		sure := 0
		if ident&identMask == identRx {
			sure = rxTrigger
		}
		input = p.receive(sure) || input
		if !p.waits {
			p.send()
		}
	}
	if i == maxRounds {
		p.set(regEnable, 0) // a new edge for what is left
	}
	p.waits = charge(c, began) || p.waits
	if p.waits {
		c.Retick = 1 // the tick calls Resume
	}
	p.enable()
	if p.full && p.tx.len() <= len(p.txBytes)/2 {
		p.full, space = false, true
	}
	cause = i > 0 || p.waits
	p.mu.Unlock(c)
	return input, space, cause
}

// receive takes up to a FIFO full of bytes, as long as there is room, and reports whether
// there were any. sure bytes are certain to be there, so receive does not read the status
// before each of them.
//
// Locks: p.mu held; not asserted: the callers have just taken it.
func (p *Port) receive(sure int) (any bool) {
	n := 0
	for i := range fifoDepth {
		if p.rx.len() == len(p.rxBytes) || i >= sure && p.status()&statusRxReady == 0 {
			break
		}
		p.rx.putByte(p.get(regData))
		p.counts.Received++
		n++
	}
	if n > 0 {
		p.taken.note(n)
	}
	return n > 0
}

// send gives the UART a FIFO full of bytes, if its transmitter is empty.
//
// Locks: p.mu held; not asserted: the callers have just taken it.
func (p *Port) send() {
	if p.tx.len() == 0 || p.status()&statusTxEmpty == 0 {
		return
	}
	for range fifoDepth {
		b, ok := p.tx.get()
		if !ok {
			return
		}
		p.set(regData, b)
	}
}

// enable enables the interrupts that have work to do. A port that waits for Resume only receives, as long as no
// more comes than a line brings. While it waits, and before there is no room for received bytes, enable also
// drops RTS, so that the line waits.
//
// Locks: p.mu held; not asserted: the callers have just taken it.
func (p *Port) enable() {
	e, m := uint8(0), uint8(modemDTR|modemOut2)
	room := len(p.rxBytes) - p.rx.len()
	if room > 0 && (!p.waits || p.taken.allowed()) {
		e |= enableRx
	}
	if p.held = room < reserve || p.held && room < 2*reserve; !p.held && !p.waits {
		m |= modemRTS
	}
	if p.tx.len() > 0 && !p.waits {
		e |= enableTx
	}
	p.set(regModem, m)
	p.set(regEnable, e)
}

// reserve is the room in the ring of received bytes for what comes after RTS was dropped: the other end looks at the line when
// it fills its own FIFO, and an adapter in between has a buffer too. Tests set it to 0.
var reserve = 512

// Write takes all of b, at most half a ring, or nothing: then the caller waits until
// Interrupt reports space.
//
// Context: any thread; does not block.
func (p *Port) Write(c *percpu.CPU, b []byte) (ok bool) {
	p.mu.Lock(c)
	if ok = len(p.txBytes)-p.tx.len() >= len(b); ok {
		p.tx.put(b)
	}
	p.full = p.full || p.tx.len() > len(p.txBytes)/2
	p.send()
	p.enable()
	p.mu.Unlock(c)
	return ok
}

// Peek copies the first received bytes to b, as many as there are and fit, and returns
// their number. They stay until Drop, so a copy of them to a program may fail.
//
// Context: any thread; does not block. One reader at a time, until its Drop: two would
// get the same bytes.
func (p *Port) Peek(c *percpu.CPU, b []byte) int {
	p.mu.Lock(c)
	n := p.rx.peek(b)
	p.mu.Unlock(c)
	return n
}

// Drop removes the first n of the bytes that Peek returned.
//
// Context: as Peek.
func (p *Port) Drop(c *percpu.CPU, n int) {
	p.mu.Lock(c)
	full := p.rx.len() == len(p.rxBytes)
	p.rx.drop(n)
	if full {
		p.receive(0)
	}
	if full || p.held {
		p.enable()
	}
	p.mu.Unlock(c)
}

// Readable reports whether Peek has bytes to return, and whether all of the input has come.
func (p *Port) Readable(c *percpu.CPU) (bytes, end bool) {
	p.mu.Lock(c)
	bytes = p.rx.len() > 0
	end = p.ended && p.counts.Received >= p.end
	p.mu.Unlock(c)
	return bytes, end
}

// Writable reports whether half the ring is free, and whether nothing reads the bytes.
func (p *Port) Writable(c *percpu.CPU) (room, closed bool) {
	p.mu.Lock(c)
	room, closed = p.tx.len() <= len(p.txBytes)/2, p.closed
	p.full = p.full || !room // the caller may wait for Interrupt
	p.mu.Unlock(c)
	return room, closed
}

// End says that the line brings n bytes in all, those received before included.
func (p *Port) End(c *percpu.CPU, n uint64) {
	p.mu.Lock(c)
	p.end, p.ended = n, true
	p.mu.Unlock(c)
}

// Close says that nothing reads what is written.
func (p *Port) Close(c *percpu.CPU) {
	p.mu.Lock(c)
	p.closed = true
	p.mu.Unlock(c)
}

// Unsent returns the number of bytes that have not left the machine; a FIFO that is not
// empty counts as one.
//
// Context: p is open.
func (p *Port) Unsent(c *percpu.CPU) int {
	p.mu.Lock(c)
	n := p.tx.len()
	if p.status()&statusTxIdle == 0 {
		n++
	}
	p.mu.Unlock(c)
	return n
}
