package cpu

// Mitigation is a feature of a CPU against errors of the core, against programs
// that exploit them, or against the CPU's own speculation. Which mitigations are on
// follows from what the CPU reports, by one rule for all CPUs: Features.Mitigation.
type Mitigation uint8

// Mitigations.
const (
	MitigateNX          Mitigation = iota // data is not executable
	MitigateSMEP                          // the kernel does not execute user pages
	MitigateSMAP                          // the kernel does not touch user pages by accident
	MitigateUMIP                          // ring 3 does not see the descriptor tables' addresses
	MitigateIBRS                          // ring 3 does not steer the kernel's indirect branches
	MitigateSTIBP                         // the other thread of the core does not steer them either
	MitigateIBPB                          // one program does not steer the next one's branches
	MitigateBuffers                       // microarchitectural buffers are cleared before ring 3 runs
	MitigateSSBD                          // loads do not pass stores that they may depend on
	MitigatePageTable                     // the kernel is unmapped while ring 3 runs
	MitigateIBT                           // indirect branches end at ENDBR64 only
	MitigateShadowStack                   // returns go to the instruction after their call
	Mitigations                           // how many
)

var mitigationNames = [Mitigations]string{"NX", "SMEP", "SMAP", "UMIP", "IBRS", "STIBP", "IBPB", "buffer clearing", "SSBD",
	"page-table isolation", "IBT", "shadow stacks"}

// String returns the mitigation's usual name.
func (m Mitigation) String() string { return mitigationNames[m] }

// IA32_ARCH_CAPABILITIES: the mitigations that the CPU reports as unnecessary
// (Intel SDM vol. 4, "Architectural MSRs").
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

// Mitigation reports whether the kernel uses m on a CPU with these features, and if
// not, why. A mitigation that is on has no reason. It is long because each mitigation
// has its case.
func (f *Features) Mitigation(m Mitigation) (on bool, reason string) {
	switch m {
	case MitigateNX:
		return f.offers(NX)
	case MitigateSMEP:
		return f.offers(SMEP)
	case MitigateSMAP:
		return f.offers(SMAP)
	case MitigateUMIP:
		return f.offers(UMIP)
	case MitigateIBRS:
		switch {
		case f.Has(AutoIBRS), f.Has(SpecCtrl) && f.Caps&capsIBRSAll != 0:
			return true, ""
		case f.Has(SpecCtrl):
			return false, "this CPU would need an MSR write at each entry to the kernel"
		}
		return false, absent
	case MitigateSTIBP:
		switch {
		case f.Caps&capsIBRSAll != 0 && f.Has(STIBP):
			return false, "IBRS includes it on this CPU"
		case f.Has(STIBP) || f.Has(STIBPAMD):
			return true, ""
		}
		return false, absent
	case MitigateIBPB:
		if f.Has(SpecCtrl) || f.Has(IBPBAMD) {
			return true, ""
		}
		return false, absent
	case MitigateBuffers:
		switch {
		case f.Vendor != VendorIntel || f.Caps&capsMDSNo != 0:
			return false, "this CPU does not need it"
		case f.Has(MDClear):
			return true, ""
		}
		return false, absent
	case MitigateSSBD:
		if f.Caps&capsSSBNo != 0 {
			return false, "this CPU does not need it"
		}
		return false, "programs do not share an address space"
	case MitigatePageTable:
		if f.Vendor != VendorIntel || f.Caps&capsRDCLNo != 0 {
			return false, "this CPU does not need it"
		}
		return false, "NEEDED ON THIS CPU, but the kernel does not have it yet: run no program that you do not trust"
	case MitigateIBT:
		if f.Has(CETIBT) {
			return false, "the Go compiler emits no ENDBR64"
		}
		return false, absent
	case MitigateShadowStack:
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

// MitigationCR4 returns the CR4 bits of the mitigations that are on.
func (f *Features) MitigationCR4() (bits uint64) {
	if on, _ := f.Mitigation(MitigateSMEP); on {
		bits |= CR4SMEP
	}
	if on, _ := f.Mitigation(MitigateSMAP); on {
		bits |= CR4SMAP
	}
	if on, _ := f.Mitigation(MitigateUMIP); on {
		bits |= CR4UMIP
	}
	return bits
}

// CR4 returns what CR4 is on a CPU with these features, when it runs programs.
func (f *Features) CR4() uint64 {
	bits := CR4Wanted | f.MitigationCR4()
	if !f.Has(XSave) {
		bits &^= CR4XSave
	}
	if !f.Has(FSGSBase) {
		bits &^= CR4FSGSBase
	}
	if f.machineChecks() {
		bits |= CR4Machine
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
	if on, _ := f.Mitigation(MitigateIBRS); on && f.Caps&capsIBRSAll != 0 {
		bits |= SpecIBRS
	}
	if on, _ := f.Mitigation(MitigateSTIBP); on {
		bits |= SpecSTIBP
	}
	if bits != 0 {
		WriteMSR(MSRSpecCtrl, ReadMSR(MSRSpecCtrl)|bits)
	}
}
