package console

import "muster/kernel/cpu"

// Emergency sends p by polling and takes no lock: for the panic report alone. Other
// CPUs may still run when it begins, so at worst a character is doubled or lost.
func Emergency(p []byte) {
	for _, b := range p {
		if b == '\n' {
			emergencyByte('\r')
		}
		emergencyByte(b)
	}
}

// EmergencyFlush sends what the ring still holds.
func EmergencyFlush() {
	for range len(txBytes) {
		b, ok := tx.get()
		if !ok {
			return
		}
		emergencyByte(b)
	}
}

// EmergencyDrain waits until the UART is idle.
func EmergencyDrain() {
	if present {
		uartWait(statusTxIdle)
	}
}

func emergencyByte(b byte) {
	if present && uartWait(statusTxEmpty) {
		cpu.Out8(uartData, b)
	}
}
