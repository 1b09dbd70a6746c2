package console

import (
	"muster/kernel/atom"
	"muster/kernel/clock"
	"muster/kernel/cpu"
	"muster/kernel/persist"
)

// EmergencyLog sends the last n lines of the log, 16 at most. Another CPU may have been
// stopped while it wrote one, so each length is checked.
func EmergencyLog(n int) {
	var last [16]uint64 // positions, a ring
	found := 0
	for pos := logStart; pos < logEnd; {
		last[found%len(last)] = pos
		found++
		size := uint64(headerLen) + logAt(pos, 2)
		if size > uint64(len(logBytes)) {
			break
		}
		pos += size
	}
	n = min(n, found, len(last))
	for i := found - n; i < found; i++ {
		pos := last[i%len(last)]
		var l Line
		prefix(&l, clock.Time(logAt(pos+8, 8)), uint32(logAt(pos+4, 4)))
		for k := range logAt(pos, 2) {
			l.Byte(byte(logAt(pos+headerLen+k, 1)))
		}
		Emergency(l.Byte('\n').Bytes())
	}
}

// reporting is 1 when what Emergency sends is a report, which is kept for the next boot. Other
// code does not touch the screen (use) or send to the console's port (fillFIFO) any more: other CPUs run
// until the reason is out.
var reporting atom.Uint32

// Emergency sends p by polling, shows it on the screen, and takes no lock: for the panic report alone. Other
// CPUs may still run when it begins, so at worst a character is doubled or lost.
func Emergency(p []byte) {
	if reporting.Load() != 0 {
		persist.Report(p) // first: it is the quickest
		keepEssence(p)
	}
	for _, b := range p {
		if b == '\n' && !bare {
			emergencyByte('\r')
		}
		emergencyByte(b)
	}
	emergencyScreen(p)
}

// EmergencyFlush begins a report: it sends and shows what is left of the output before,
// and says how many lines the ring had no room for.
func EmergencyFlush() {
	reporting.Store(1)
	emergencyBegin()
	drainMirrors()
	for range len(txBytes) {
		b, ok := tx.get()
		if !ok {
			break
		}
		emergencyByte(b)
	}
	if dropped != 0 {
		var l Line
		Emergency(notice(&l).Byte('\n').Bytes())
		dropped = 0
	}
}

// EmergencyDrain waits until the UART is idle, and shows the rest on the screen.
func EmergencyDrain() {
	if showing {
		display.Show()
	}
	if present {
		uartWait(statusTxIdle)
	}
	drainMirrors()
}

func emergencyByte(b byte) {
	if present && !(mute && showing) && uartWait(statusTxEmpty) {
		out8(uartData, b)
	}
	if !(mute && showing) {
		emergencyMirrors(b)
	}
}

// essence is the part of the report that tells most: the beginning, up to EmergencySerial.
var essence struct {
	text  [6 << 10]byte
	n     int
	whole bool
}

func keepEssence(p []byte) {
	for _, b := range p {
		if !essence.whole && essence.n < len(essence.text) {
			essence.text[essence.n] = b
			essence.n++
		}
	}
}

// EmergencyText returns the part of the report that tells most, at most 6 KiB of it.
func EmergencyText() []byte { return essence.text[:essence.n] }

// EmergencyCode shows a QR code in a corner of the screen, as package screen does. It
// reports false if there is no screen for it.
func EmergencyCode(bits []byte, size, stride int) (ok bool) {
	ok = showing && display.Code(bits, size, stride)
	cpu.CPUID(0, 0) // stores that the CPU still collects go out
	return ok
}

// EmergencyRedraw shows the text without a code.
func EmergencyRedraw() {
	display.Invalidate()
	display.Show()
	cpu.CPUID(0, 0)
}
