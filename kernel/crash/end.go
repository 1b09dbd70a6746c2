package crash

import (
	"muster/kernel/console"
	"muster/kernel/cpu"
)

// Under an emulator the kernel can end the machine and return a status to its
// caller: QEMU's isa-debug-exit at port 0xf4 ends QEMU with status 2*value+1. The
// program's own status, all eight bits of it, goes as text to the debug console at
// port 0xe9 first. scripts/qemu-run.sh combines the two.
const (
	exitPort   = 0xf4
	statusPort = 0xe9

	// exitStatus says that the status port has the number; QEMU ends with 33.
	exitStatus = 0x10
	// exitPanic makes QEMU end with 125 by itself.
	exitPanic = 0x3e
)

// StatusPanic is the status of a kernel that has panicked.
const StatusPanic = 125

// Emulated reports whether the CPU says that it is a virtual one. The two ports are
// known to be harmless on virtual CPUs only.
func Emulated() bool {
	_, _, c, _ := cpu.CPUID(1, 0)
	return c>>31 != 0
}

// End sends the rest of the output, passes the status to an emulator and stops this
// CPU without end.
//
// Context: interrupts off; the other CPUs are stopped, or do no harm.
func End(status uint8) {
	endEmulator(status)
	cpu.Stop()
}

// endEmulator sends the rest of the output and ends an emulator with the status.
func endEmulator(status uint8) {
	console.EmergencyDrain()
	TellStatus(status)
	if Emulated() && status == StatusPanic {
		cpu.Out8(exitPort, exitPanic) // QEMU uses the last write, so there is only one
	}
	ExitEmulator()
}

// TellStatus passes the status to an emulator's caller.
func TellStatus(status uint8) {
	if !Emulated() {
		return
	}
	var l console.Line
	for _, b := range l.Dec(uint64(status)).Byte('\n').Bytes() {
		cpu.Out8(statusPort, b)
	}
}

// ExitEmulator ends the emulator, after TellStatus. On hardware it does nothing.
func ExitEmulator() {
	if Emulated() {
		cpu.Out8(exitPort, exitStatus)
	}
}
