package clock

import "muster/kernel/cpu"

// What CPU and hypervisor say of the frequency of the time-stamp counter (TSC). An exact
// value is what the hardware makes the counter's clock of. A nominal one is a product of two
// rounded numbers, and off by up to a few thousand millionths.

// claimant answers CPUID and reads model-specific registers. Tests give it those of real CPUs.
type claimant struct {
	cpuid func(leaf, subleaf uint32) (a, b, c, d uint32)
	msr   func(number uint32) (v uint64, ok bool)
}

var thisCPU = claimant{cpuid: cpu.CPUID, msr: cpu.TryReadMSR}

const (
	leafCrystal    = 0x15
	leafMHz        = 0x16
	leafHypervisor = 0x40000000
	leafFrequency  = 0x40000010 // EAX: TSC in kHz; EBX: timer of the local APIC in kHz
	leafPower      = 0x80000007
	leafExtended   = 0x80000000

	bitHypervisor   = 1 << 31 // leaf 1, ECX
	bitInvariant    = 1 << 8  // leaf 8000_0007H, EDX
	hypervisorLeast = leafFrequency
	hypervisorMost  = 0x4000ffff // what a hypervisor may say is its last leaf
)

// crystals are the crystal clocks of CPUs whose leaf 15H leaves theirs out (Intel SDM vol. 3B,
// "Determining the Processor Base Frequency", the table of nominal core crystal clocks). For model 55H,
// which the table gives 25 MHz, CPUs with 24 MHz exist as well, so leaf 16H decides there.
var crystals = [...]struct {
	model uint8 // of family 6
	hz    uint32
}{
	{0x4e, 24_000_000}, {0x5e, 24_000_000}, // Skylake
	{0x8e, 24_000_000}, {0x9e, 24_000_000}, // Kaby Lake and Coffee Lake
	{0x5c, 19_200_000}, // Goldmont
	{0x5f, 25_000_000}, // Goldmont, Denverton
}

// model returns the maker, the family and the model of the CPU.
func (q *claimant) model() (maker cpu.Vendor, family uint16, model uint8) {
	_, b, c, d := q.cpuid(0, 0)
	a, _, _, _ := q.cpuid(1, 0)
	family, model = cpu.FamilyModel(a)
	return cpu.VendorOf(b, c, d), family, model
}

// has reports whether the CPU has a basic leaf.
func (q *claimant) has(leaf uint32) bool {
	top, _, _, _ := q.cpuid(0, 0)
	return top >= leaf
}

// crystal returns the frequency by leaf 15H, crystal clock times ratio, and the crystal clock;
// 0 if a part is missing. exact is false if the crystal clock was computed from the nominal
// frequency of leaf 16H.
func (q *claimant) crystal() (hz, crystal uint64, exact bool) {
	if !q.has(leafCrystal) {
		return 0, 0, false
	}
	den, num, c, _ := q.cpuid(leafCrystal, 0)
	if den == 0 || num == 0 {
		return 0, 0, false
	}
	crystal, exact = uint64(c), true
	if maker, family, model := q.model(); c == 0 && maker == cpu.VendorIntel && family == 6 {
		for i := range crystals {
			if crystals[i].model == model {
				crystal = uint64(crystals[i].hz)
			}
		}
	}
	if crystal == 0 {
		crystal, exact = mulDiv(q.base(), uint64(den), uint64(num)), false
	}
	return mulDiv(crystal, uint64(num), uint64(den)), crystal, exact
}

// base returns the nominal frequency of leaf 16H, 0 without one.
func (q *claimant) base() uint64 {
	if !q.has(leafMHz) {
		return 0
	}
	mhz, _, _, _ := q.cpuid(leafMHz, 0)
	return uint64(mhz&0xffff) * 1e6
}

// virtual reports whether the CPU says that a hypervisor is there.
func (q *claimant) virtual() bool {
	_, _, c, _ := q.cpuid(1, 0)
	return c&bitHypervisor != 0
}

// hypervisor returns what a hypervisor says: the frequencies of the TSC and of the local APIC's
// timer, 0 if it does not. Its highest leaf decides whether the leaf is there: a CPU that lacks
// it answers with a leaf of its own.
//
// Source: VMware, "Mechanisms to determine if software is running in a VMware virtual
// machine", "Timing Information".
func (q *claimant) hypervisor() (hz, timerHz uint64) {
	if !q.virtual() {
		return 0, 0
	}
	if top, _, _, _ := q.cpuid(leafHypervisor, 0); top < hypervisorLeast || top > hypervisorMost {
		return 0, 0
	}
	tsc, timer, _, _ := q.cpuid(leafFrequency, 0)
	return uint64(tsc) * 1000, uint64(timer) * 1000
}

// register returns the nominal frequency by a model-specific register, where the maker documents
// one, and 0 elsewhere and in virtual machines, which make the content up.
func (q *claimant) register() (hz uint64) {
	if q.virtual() {
		return 0
	}
	switch maker, family, model := q.model(); maker {
	case cpu.VendorAMD:
		return q.amd(family)
	case cpu.VendorIntel:
		return q.intel(family, model)
	}
	return 0
}

// Registers with frequencies (AMD, "Processor Programming Reference" of families 17H, 19H and
// 1AH, "MSRC001_0064 P-state"; Intel SDM vol. 4, "MSR_PLATFORM_INFO").
const (
	msrHWConfig     = 0xc0010015
	hwcTSCFrequency = 1 << 24 // the TSC counts at the frequency of P-state 0
	pstateValid     = 1 << 63

	platformRatio = 8 // bits 15:8
	intelBus      = 100_000_000
	nehalemBus    = 133_333_333
)

// amd returns the frequency of P-state 0, at which an invariant TSC of AMD's counts.
func (q *claimant) amd(family uint16) uint64 {
	top, _, _, _ := q.cpuid(leafExtended, 0)
	if family < 0x17 || top < leafPower {
		return 0
	}
	if _, _, _, d := q.cpuid(leafPower, 0); d&bitInvariant == 0 {
		return 0
	}
	if v, ok := q.msr(msrHWConfig); !ok || v&hwcTSCFrequency == 0 {
		return 0
	}
	v, ok := q.msr(cpu.MSRPState0)
	if !ok || v&pstateValid == 0 {
		return 0
	}
	return PStateHz(v, family)
}

// PStateHz decodes the frequency of an AMD P-state's register, 0 for a reserved value. family is
// 17H or later.
func PStateHz(v uint64, family uint16) uint64 {
	if family >= 0x1a {
		return v & 0xfff * 5_000_000
	}
	fid, did := v&0xff, v>>8&0x3f
	if fid < 0x10 || did < 8 {
		return 0
	}
	return fid * 200_000_000 / did
}

// intelModels are models of family 6 for which MSR_PLATFORM_INFO is documented, and whether their
// bus has 133 MHz.
var intelModels = [...]struct {
	model   uint8
	nehalem bool
}{
	{0x1a, true}, {0x1e, true}, {0x1f, true}, {0x2e, true}, {0x25, true}, {0x2c, true}, {0x2f, true}, // Nehalem, Westmere
	{0x2a, false}, {0x2d, false}, {0x3a, false}, {0x3e, false}, // Sandy Bridge, Ivy Bridge
	{0x3c, false}, {0x3f, false}, {0x45, false}, {0x46, false}, // Haswell
	{0x3d, false}, {0x47, false}, {0x4f, false}, {0x56, false}, // Broadwell
	{0x4e, false}, {0x5e, false}, {0x55, false}, {0x8e, false}, {0x9e, false}, {0xa5, false}, {0xa6, false}, // Skylake to Comet Lake
	{0x7d, false}, {0x7e, false}, {0x6a, false}, {0x6c, false}, {0xa7, false}, {0x8c, false}, {0x8d, false}, // Ice, Rocket and Tiger Lake
	{0x97, false}, {0x9a, false}, {0xb7, false}, {0xba, false}, {0xbf, false}, {0x8f, false}, {0xcf, false}, // Alder and Raptor Lake, Sapphire and Emerald Rapids
}

// BusOf returns the bus clock, to which the ratios of Intel's registers refer, of a model of
// family 6; 0 if MSR_PLATFORM_INFO is not documented for the model.
func BusOf(model uint8) uint64 {
	for i := range intelModels {
		switch {
		case intelModels[i].model != model:
		case intelModels[i].nehalem:
			return nehalemBus
		default:
			return intelBus
		}
	}
	return 0
}

// intel returns the largest ratio without turbo times the bus clock.
func (q *claimant) intel(family uint16, model uint8) uint64 {
	bus := BusOf(model)
	if family != 6 || bus == 0 {
		return 0
	}
	v, ok := q.msr(cpu.MSRPlatformInfo)
	if !ok {
		return 0
	}
	return v >> platformRatio & 0xff * bus
}
