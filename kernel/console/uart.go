package console

import (
	"muster/kernel/clock"
	"muster/kernel/cpu"
)

// The 16550 at COM1 (National Semiconductor PC16550D data sheet).
const (
	com1 = 0x3f8
	// IRQ is COM1's interrupt on the ISA bus.
	IRQ = 4

	uartData    = com1 + 0 // divisor low while DLAB is set
	uartEnable  = com1 + 1 // divisor high while DLAB is set
	uartIdent   = com1 + 2 // read
	uartFIFO    = com1 + 2 // write
	uartLine    = com1 + 3
	uartModem   = com1 + 4
	uartStatus  = com1 + 5
	uartScratch = com1 + 7

	enableRx = 1 << 0
	enableTx = 1 << 1

	identNone = 1 << 0 // no interrupt pending

	lineDLAB = 1 << 7
	line8N1  = 3

	modemDTR  = 1 << 0
	modemRTS  = 1 << 1
	modemOut2 = 1 << 3 // gates the interrupt line on PCs

	statusRxReady = 1 << 0
	statusTxEmpty = 1 << 5 // room for a FIFO full
	statusTxIdle  = 1 << 6 // last bit sent

	fifoDepth = 16
)

// uartInit sets 115200 baud, 8N1, FIFOs on, interrupts off. It reports false
// when no UART answers.
func uartInit() bool {
	cpu.Out8(uartScratch, 0x5a)
	if cpu.In8(uartScratch) != 0x5a || cpu.In8(uartStatus) == 0xff {
		return false
	}
	cpu.Out8(uartEnable, 0)
	// Turning the FIFOs on empties them: save a byte that was received before.
	if cpu.In8(uartStatus)&statusRxReady != 0 {
		rx.putByte(cpu.In8(uartData))
	}
	cpu.Out8(uartFIFO, 1)
	cpu.Out8(uartLine, lineDLAB)
	cpu.Out8(uartData, 1) // 115200/1
	cpu.Out8(uartEnable, 0)
	cpu.Out8(uartLine, line8N1)
	cpu.Out8(uartModem, modemDTR|modemRTS|modemOut2)
	return true
}

// uartWait waits until a FIFO full of bytes can be sent: 16 bytes take 1.4 ms. It
// reports false after 10 ms: a stuck UART must not stop the kernel.
func uartWait(bit uint8) bool {
	if cpu.In8(uartStatus)&bit != 0 {
		return true
	}
	for end := clock.After(10 * clock.Millisecond); !end.Passed(); {
		if cpu.In8(uartStatus)&bit != 0 {
			return true
		}
		cpu.Pause()
	}
	return false
}
