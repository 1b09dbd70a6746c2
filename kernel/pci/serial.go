package pci

// UART is a serial port of a card: eight registers of a 16550, at ports or in memory.
type UART struct {
	Address uint64
	IO      bool
}

// Serial ports with the registers of a UART have these interfaces: the 8250, 16450, 16550 and their
// successors.
//
// Source: PCI Code and ID Assignment Specification, "Base Class 07h".
const (
	classSerial   = 0x0700
	lastInterface = 0x06
)

const (
	uartRegisters = 8
	maxRow        = 8 // ports in one range of I/O; a longer range is not a row of ports
)

// IsSerial reports whether the function is a serial port, or several, whose registers are known.
func (f *Function) IsSerial() bool { return f.Class>>8 == classSerial && f.Class&0xff <= lastInterface }

// Serial enables the function, and returns where its serial ports may be: each eight bytes of a range of
// I/O, or of all ranges, as cards have both forms; if there is no I/O, the beginning of the first memory.
// The caller has to try whether a UART answers there. inUse says that a port of the function must not be
// interrupted: then the sizes are not measured, and each range counts as one port.
func (f *Function) Serial(inUse bool) (list []UART) {
	f.command(commandIO|commandMemory, 0)
	if !inUse {
		f.BARs = f.bars(true)
	}
	for _, b := range f.BARs {
		if !b.IO {
			continue
		}
		n := b.Size / uartRegisters
		if n == 0 || n > maxRow {
			n = 1
		}
		for i := range n {
			list = append(list, UART{b.Address + i*uartRegisters, true})
		}
	}
	if len(list) == 0 && len(f.BARs) > 0 {
		list = append(list, UART{f.BARs[0].Address, false})
	}
	return list
}
