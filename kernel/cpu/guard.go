package cpu

// Guard is a protection that a CPU can offer. Which are on follows from what the
// CPU reports, by one rule for all CPUs: Features.Guard.
type Guard uint8

// Guards.
const (
	GuardNX          Guard = iota // data is not executable
	GuardSMEP                     // the kernel does not execute user pages
	GuardSMAP                     // the kernel does not touch user pages by accident
	GuardUMIP                     // ring 3 does not see the descriptor tables' addresses
	GuardIBRS                     // ring 3 does not steer the kernel's indirect branches
	GuardSTIBP                    // nor those of the other thread of the core
	GuardBuffers                  // microarchitectural buffers are cleared before ring 3 runs
	GuardSSBD                     // loads do not pass stores that they may depend on
	GuardPageTable                // the kernel is not mapped while ring 3 runs
	GuardIBT                      // indirect branches end at ENDBR64 only
	GuardShadowStack              // returns go where calls came from
	Guards                        // how many
)

var guardNames = [Guards]string{"NX", "SMEP", "SMAP", "UMIP", "IBRS", "STIBP", "buffer clearing", "SSBD",
	"page-table isolation", "IBT", "shadow stacks"}

// String returns the guard's usual name.
func (g Guard) String() string { return guardNames[g] }

// IA32_ARCH_CAPABILITIES: what the CPU says that it does not need (Intel SDM
// vol. 4, "Architectural MSRs").
const (
	capsRDCLNo  = 1 << 0
	capsIBRSAll = 1 << 1
	capsSSBNo   = 1 << 4
	capsMDSNo   = 1 << 5
)

// IA32_SPEC_CTRL.
const (
	SpecIBRS  = 1 << 0
	SpecSTIBP = 1 << 1
)

const absent = "the CPU does not offer it"

// Guard reports whether the kernel uses g on a CPU with these features, and if
// not, why. A guard that is on has no reason.
func (f *Features) Guard(g Guard) (on bool, reason string) {
	switch g {
	case GuardNX:
		return f.offers(NX)
	case GuardSMEP:
		return f.offers(SMEP)
	case GuardSMAP:
		return f.offers(SMAP)
	case GuardUMIP:
		return f.offers(UMIP)
	case GuardIBRS:
		switch {
		case f.Has(AutoIBRS), f.Has(SpecCtrl) && f.Caps&capsIBRSAll != 0:
			return true, ""
		case f.Has(SpecCtrl):
			return false, "this CPU's kind needs an MSR write at each entry to the kernel"
		}
		return false, absent
	case GuardSTIBP:
		switch {
		case f.Caps&capsIBRSAll != 0 && f.Has(STIBP):
			return false, "IBRS includes it on this CPU"
		case f.Has(STIBP) || f.Has(STIBPAMD):
			return true, ""
		}
		return false, absent
	case GuardBuffers:
		switch {
		case f.Vendor != VendorIntel || f.Caps&capsMDSNo != 0:
			return false, "this CPU does not need it"
		case f.Has(MDClear):
			return true, ""
		}
		return false, absent
	case GuardSSBD:
		if f.Caps&capsSSBNo != 0 {
			return false, "this CPU does not need it"
		}
		return false, "a program's own loads are its own matter: no two share an address space"
	case GuardPageTable:
		if f.Vendor != VendorIntel || f.Caps&capsRDCLNo != 0 {
			return false, "this CPU does not need it"
		}
		return false, "NEEDED ON THIS CPU, but not written: run no program that you do not trust"
	case GuardIBT:
		if f.Has(CETIBT) {
			return false, "the Go compiler emits no ENDBR64"
		}
		return false, absent
	case GuardShadowStack:
		if f.Has(CETSS) {
			return false, "Go's scheduler switches stacks without their shadow"
		}
		return false, absent
	}
	return false, ""
}

func (f *Features) offers(x Feature) (on bool, reason string) {
	if f.Has(x) {
		return true, ""
	}
	return false, absent
}

// GuardCR4 returns the CR4 bits of the guards that are on.
func (f *Features) GuardCR4() (bits uint64) {
	if on, _ := f.Guard(GuardSMEP); on {
		bits |= CR4SMEP
	}
	if on, _ := f.Guard(GuardSMAP); on {
		bits |= CR4SMAP
	}
	if on, _ := f.Guard(GuardUMIP); on {
		bits |= CR4UMIP
	}
	return bits
}

// SetSpeculation sets this CPU's speculation controls.
//
// Source: Intel SDM vol. 4, "IA32_SPEC_CTRL"; AMD64 APM vol. 2, "Automatic IBRS".
func (f *Features) SetSpeculation() {
	if f.Has(AutoIBRS) {
		WriteMSR(MSREFER, ReadMSR(MSREFER)|EFERAutoIBRS)
	}
	bits := uint64(0)
	if on, _ := f.Guard(GuardIBRS); on && f.Caps&capsIBRSAll != 0 {
		bits |= SpecIBRS
	}
	if on, _ := f.Guard(GuardSTIBP); on {
		bits |= SpecSTIBP
	}
	if bits != 0 {
		WriteMSR(MSRSpecCtrl, ReadMSR(MSRSpecCtrl)|bits)
	}
}
