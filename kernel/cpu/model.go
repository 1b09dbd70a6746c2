package cpu

// VendorOf decodes EBX, ECX and EDX of CPUID leaf 0.
func VendorOf(ebx, ecx, edx uint32) Vendor { return vendor(ebx, ecx, edx) }

// FamilyModel decodes EAX of CPUID leaf 1.
func FamilyModel(eax uint32) (family uint16, model uint8) { return familyModel(eax) }

// TryReadMSR reads a model-specific register that this CPU may not have. ok is false when it
// has not: then the instruction raises #GP, and package trap, which knows its address, skips it.
//
// Context: the core, when descriptor tables are loaded. Ordinary Go has package msr.
func TryReadMSR(msr uint32) (v uint64, ok bool)

// tryMSRPC is the address of the RDMSR of TryReadMSR, filled in by the linker.
var tryMSRPC uintptr

// rdmsrBytes is the length of RDMSR.
const rdmsrBytes = 2

// SkipMSR reports whether a #GP comes from TryReadMSR, and makes it return that the register is
// not there.
//
// Context: the handler of #GP, with the frame of the core.
func SkipMSR(f *Frame) bool {
	if f.IP != uint64(tryMSRPC) {
		return false
	}
	f.IP += rdmsrBytes
	f.AX, f.DX, f.BX = 0, 0, 0
	return true
}
