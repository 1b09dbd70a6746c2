// Package vector is the map of the 256 interrupt vectors: the number of each, its
// name, and the function that handles it.
//
// Layer: core.
// Context: interrupts off.
// Locks: none; a handler is installed before its vector can come.
// Manual: Intel SDM vol. 3A, "Exception and Interrupt Vectors" and "Interrupt,
// Task, and Processor Priority".
// Chapter: docs/06-interrupts.md.
package vector

// The local APIC serves the higher class, bits 7:4 of a vector, first.
//
//	0x00-0x1f  exceptions
//	0x20-0x2f  the two 8259s: timer and devices where there is no local APIC
//	0x30-0xdf  device interrupts through the I/O APICs
//	0xe0       for measurements; 0xe1-0xef are free
//	0xf0-0xff  IPIs and the local APIC's own interrupts
const (
	Divide     = 0
	Debug      = 1
	NMI        = 2
	Breakpoint = 3
	Overflow   = 4
	InvalidOp  = 6
	Double     = 8
	NotPresent = 11
	Stack      = 12
	Protection = 13
	PageFault  = 14
	X87        = 16
	Alignment  = 17
	Machine    = 18
	SIMD       = 19
	Exceptions = 32 // vectors below it are exceptions

	PIC         = 0x20
	PICLines    = 16
	DeviceFirst = 0x30
	DeviceLast  = 0xdf

	Empty = 0xe0 // its handler does nothing; raised by INT

	Flush      = 0xf1 // the IPIs, in the order of the kinds of package ipi
	Stop       = 0xf2
	Reschedule = 0xf3
	Call       = 0xf4
	TimerIPI   = 0xf5

	Timer    = 0xf8
	Error    = 0xfe
	Spurious = 0xff

	// Syscall is the number of SYSCALL in a Frame; it is not a vector of the IDT.
	Syscall = 256
)

// names has what the manual calls a vector; the 8259s' are not in it.
var names = [Syscall + 1]string{
	Divide: "divide error", Debug: "debug", NMI: "NMI", Breakpoint: "breakpoint", Overflow: "overflow", 5: "bound range",
	InvalidOp: "invalid opcode", 7: "device not available", Double: "double fault", 10: "invalid TSS",
	NotPresent: "segment not present", Stack: "stack fault", Protection: "general protection", PageFault: "page fault",
	X87: "x87 error", Alignment: "alignment check", Machine: "machine check", SIMD: "SIMD error",
	20: "virtualization", 21: "control protection", 28: "hypervisor injection", 29: "VMM communication", 30: "security",

	Empty: "empty", Flush: "TLB flush", Stop: "stop", Reschedule: "reschedule", Call: "call function", TimerIPI: "timer IPI",
	Timer: "local timer", Error: "APIC error", Spurious: "spurious",

	Syscall: "system call",
}

// Name returns what the manual calls a vector, or "" for one without a name.
func Name(v uint64) string {
	if v >= PIC && v < PIC+PICLines {
		return "8259"
	}
	if v < uint64(len(names)) {
		return names[v]
	}
	return ""
}
