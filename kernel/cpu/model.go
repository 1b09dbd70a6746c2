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

// TryWriteMSR writes a model-specific register that this CPU may not have, or that the hypervisor keeps from
// changing. ok is false if the instruction raises #GP.
//
// Context: as TryReadMSR.
func TryWriteMSR(msr uint32, v uint64) (ok bool) {
	if Audited {
		audit(classOfMSR(msr))
	}
	return tryWriteMSR(msr, v)
}

func tryWriteMSR(msr uint32, v uint64) (ok bool)

// Addresses of the RDMSR of TryReadMSR and of the WRMSR of TryWriteMSR, filled in by the linker.
var tryMSRPC, tryWriteMSRPC uintptr

// msrBytes is the length of RDMSR and of WRMSR.
const msrBytes = 2

// SkipMSR reports whether a #GP comes from TryReadMSR or TryWriteMSR, and makes it return that
// there is no such register.
//
// Context: the handler of #GP, with the frame of the core.
func SkipMSR(f *Frame) bool {
	if f.IP != uint64(tryMSRPC) && f.IP != uint64(tryWriteMSRPC) {
		return false
	}
	f.IP += msrBytes
	f.AX, f.DX, f.BX = 0, 0, 0
	return true
}
