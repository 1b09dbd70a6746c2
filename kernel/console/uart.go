package console

import (
	"muster/kernel/clock"
	"muster/kernel/cpu"
	"muster/kernel/mmio"
)

// Registers of a 16550, from its base, and their bits (National Semiconductor PC16550D
// data sheet).
const (
	uartData    = 0 // divisor low while DLAB is set
	uartEnable  = 1 // divisor high while DLAB is set
	uartIdent   = 2 // read
	uartFIFO    = 2 // write
	uartLine    = 3
	uartModem   = 4
	uartStatus  = 5
	uartLines   = 6 // the modem's lines, read
	uartScratch = 7

	enableRx = 1 << 0
	enableTx = 1 << 1

	identNone = 1 << 0 // no interrupt pending

	lineDLAB = 1 << 7
	line8N1  = 3

	modemDTR  = 1 << 0
	modemRTS  = 1 << 1
	modemOut2 = 1 << 3 // gates the interrupt line on PCs
	modemLoop = 1 << 4 // each output is connected with an input

	linesMask = 0xf0
	linesCTS  = 1 << 4
	linesDCD  = 1 << 7

	statusRxReady = 1 << 0
	statusOverrun = 1 << 1 // a byte came while the FIFO was full, and is lost; reading clears it
	statusTxEmpty = 1 << 5 // room for a FIFO full
	statusTxIdle  = 1 << 6 // last bit sent

	fifoDepth = 16
)

// Place says where a UART's registers are.
type Place struct {
	Addr   uintptr // the first register: a port, or an address
	Stride uintptr // bytes from register to register in memory: 1 or 4; 0: ports
}

func (p Place) get(reg uint16) uint8 {
	switch p.Stride {
	case 0:
		return cpu.In8(uint16(p.Addr) + reg)
	case 4:
		return uint8(mmio.Load32(p.Addr + 4*uintptr(reg)))
	}
	return mmio.Load8(p.Addr + uintptr(reg))
}

func (p Place) set(reg uint16, v uint8) {
	switch p.Stride {
	case 0:
		cpu.Out8(uint16(p.Addr)+reg, v)
	case 4:
		mmio.Store32(p.Addr+4*uintptr(reg), uint32(v))
	default:
		mmio.Store8(p.Addr+uintptr(reg), v)
	}
}

// first is the port of the console. in8 and out8 reach its registers, but in tests.
var (
	first     Place
	in8, out8 = firstIn, firstOut
)

func firstIn(reg uint16) uint8     { return first.get(reg) }
func firstOut(reg uint16, v uint8) { first.set(reg, v) }

// status reads the status of the console's port, and counts an overrun: reading clears the bit, so nothing
// else reads the register.
func status() uint8 {
	s := in8(uartStatus)
	if s&statusOverrun != 0 {
		counts.Overruns++
	}
	return s
}

// answers is the loop-back test: RTS and OUT2, connected inside the UART, come back as CTS
// and DCD. It takes no time, and sends nothing.
//
// Source: PC16550D data sheet, "Modem Control Register", bit 4.
func (p Place) answers() bool {
	if p.get(uartStatus) == 0xff {
		return false
	}
	modem := p.get(uartModem)
	p.set(uartModem, modemLoop|modemOut2|modemRTS)
	lines := p.get(uartLines)
	p.set(uartModem, modem)
	return lines&linesMask == linesDCD|linesCTS
}

// prepare sets 115200 baud, 8N1, FIFOs on, interrupts off.
func (p Place) prepare() {
	p.set(uartEnable, 0)
	p.set(uartFIFO, 1)
	p.set(uartLine, lineDLAB)
	p.set(uartData, 1) // 115200/1
	p.set(uartEnable, 0)
	p.set(uartLine, line8N1)
	p.set(uartModem, modemDTR|modemRTS|modemOut2)
}

// adopt is prepare for a port that firmware has set up, whose clock may be another one:
// its speed stays.
func (p Place) adopt() {
	p.set(uartEnable, 0)
	p.set(uartFIFO, 1)
	p.set(uartModem, modemDTR|modemRTS|modemOut2)
}

// saveKeys takes the bytes that came before the kernel: turning the FIFOs on empties them.
// If a program types, the next byte comes when one is read, so saveKeys looks for it for a
// while.
func saveKeys() {
	for n := 0; n < maxSaved && status()&statusRxReady != 0; n++ {
		receive()
		for i := 0; i < 1000 && status()&statusRxReady == 0; i++ {
			cpu.Pause()
		}
	}
}

// maxSaved is how many bytes saveKeys takes at most.
const maxSaved = 256

// uartWait waits until a FIFO full of bytes can be sent: 16 bytes take 1.4 ms. It
// reports false after 10 ms: a stuck UART must not stop the kernel.
func uartWait(bit uint8) bool {
	if status()&bit != 0 {
		return true
	}
	for end := clock.After(10 * clock.Millisecond); !end.Passed(); {
		if status()&bit != 0 {
			return true
		}
		cpu.Pause()
	}
	return false
}
