package trap

// Vector map. The CPU serves the higher class, bits 7:4, first.
//
//	0x00-0x1f  exceptions (Intel SDM vol. 3A, "Exception and Interrupt Vectors")
//	0x20-0x2f  the masked 8259 pair, should it still send something
//	0x30-0xdf  device interrupts through the I/O APIC
//	0xe0       spare class
//	0xf0-0xff  local APIC and interprocessor interrupts
const (
	VecDivide     = 0
	VecDebug      = 1
	VecNMI        = 2
	VecBreakpoint = 3
	VecInvalidOp  = 6
	VecDouble     = 8
	VecStack      = 12
	VecProtection = 13
	VecPageFault  = 14
	VecX87        = 16
	VecAlignment  = 17
	VecMachine    = 18
	VecSIMD       = 19

	VecPIC         = 0x20
	VecDeviceFirst = 0x30
	VecDeviceLast  = 0xdf

	VecReschedule   = 0xf1
	VecCall         = 0xf2
	VecFlush        = 0xf3
	VecTimerMessage = 0xf4
	VecStop         = 0xf5
	VecTimer        = 0xf8
	VecError        = 0xfe
	VecSpurious     = 0xff

	// VecSyscall stands in a Frame for SYSCALL; it is no vector of the IDT.
	VecSyscall = 256
)

var exceptions = [32]string{
	0: "divide error", 1: "debug", 2: "NMI", 3: "breakpoint", 4: "overflow", 5: "bound range",
	6: "invalid opcode", 7: "device not available", 8: "double fault", 10: "invalid TSS",
	11: "segment not present", 12: "stack fault", 13: "general protection", 14: "page fault",
	16: "x87 error", 17: "alignment check", 18: "machine check", 19: "SIMD error",
	20: "virtualization", 21: "control protection", 28: "hypervisor injection",
	29: "VMM communication", 30: "security",
}

// Name returns what the manual calls a vector, or "" for one without a name.
func Name(vector uint64) string {
	switch {
	case vector < 32:
		return exceptions[vector]
	case vector == VecReschedule:
		return "reschedule"
	case vector == VecCall:
		return "call function"
	case vector == VecFlush:
		return "TLB flush"
	case vector == VecTimerMessage:
		return "timer message"
	case vector == VecStop:
		return "stop"
	case vector == VecTimer:
		return "local timer"
	case vector == VecError:
		return "APIC error"
	case vector == VecSpurious:
		return "spurious"
	case vector >= VecPIC && vector < VecPIC+16:
		return "8259"
	case vector == VecSyscall:
		return "system call"
	}
	return ""
}

//go:generate go run muster/tools/genvectors -o stubs_gen_amd64.s
