package cpu

// Features says what one CPU offers and the kernel uses, as CPUID reports it.
// It holds plain words, so two CPUs' values compare with ==.
type Features struct {
	Leaf1C, Leaf1D uint32 // leaf 1, ECX and EDX
	Leaf7B, Leaf7C uint32 // leaf 7 subleaf 0, EBX and ECX
	Leaf7D         uint32 // leaf 7 subleaf 0, EDX
	Ext1C, Ext1D   uint32 // leaf 8000_0001H, ECX and EDX
	Ext7D          uint32 // leaf 8000_0007H, EDX
	Ext8B          uint32 // leaf 8000_0008H, EBX
	Ext21A         uint32 // leaf 8000_0021H, EAX
	Leaf1A         uint32 // leaf 1AH, EAX: the kind of core
	Caps           uint32 // IA32_ARCH_CAPABILITIES, low half
	MaxLeaf        uint32
	Vendor         Vendor
	Family         uint16
	Model          uint8
}

// Vendor is the maker of a CPU, for makers that the kernel distinguishes.
type Vendor uint8

// Vendors.
const (
	VendorOther Vendor = iota
	VendorIntel
	VendorAMD
)

// Feature names one CPUID bit: its word and its number.
type Feature uint16

// The words of Features that a Feature can refer to.
const (
	word1C = iota << 8
	word1D
	word7B
	word7C
	word7D
	wordExt1C
	wordExt1D
	wordExt7D
	wordExt8B
	wordExt21A
)

// CPUID bits (Intel SDM vol. 2A, "CPUID").
const (
	X2APIC       Feature = word1C | 21
	XSave        Feature = word1C | 26
	AVX          Feature = word1C | 28
	Hypervisor   Feature = word1C | 31
	TSCDeadline  Feature = word1C | 24
	MCE          Feature = word1D | 7
	APIC         Feature = word1D | 9
	MCA          Feature = word1D | 14
	PAT          Feature = word1D | 16
	SSE2         Feature = word1D | 26
	FSGSBase     Feature = word7B     // bit 0
	HasTSCAdjust Feature = word7B | 1 // IA32_TSC_ADJUST
	SMEP         Feature = word7B | 7
	SMAP         Feature = word7B | 20
	UMIP         Feature = word7C | 2
	CETSS        Feature = word7C | 7
	Hybrid       Feature = word7D | 15 // cores of several kinds
	CETIBT       Feature = word7D | 20
	MDClear      Feature = word7D | 10
	SpecCtrl     Feature = word7D | 26 // IBRS and IBPB
	STIBP        Feature = word7D | 27
	ArchCaps     Feature = word7D | 29
	SSBD         Feature = word7D | 31
	NX           Feature = wordExt1D | 20
	Page1GB      Feature = wordExt1D | 26
	RDTSCP       Feature = wordExt1D | 27
	LongMode     Feature = wordExt1D | 29
	InvariantTSC Feature = wordExt7D | 8
	XSaveErrPtr  Feature = wordExt8B | 2 // the x87 pointers are always saved and restored
	IBPBAMD      Feature = wordExt8B | 12
	STIBPAMD     Feature = wordExt8B | 15
	AutoIBRS     Feature = wordExt21A | 8
)

// Has reports whether the CPU has feature x.
func (f *Features) Has(x Feature) bool {
	var w uint32
	switch x &^ 0xff {
	case word1C:
		w = f.Leaf1C
	case word1D:
		w = f.Leaf1D
	case word7B:
		w = f.Leaf7B
	case word7C:
		w = f.Leaf7C
	case word7D:
		w = f.Leaf7D
	case wordExt1C:
		w = f.Ext1C
	case wordExt1D:
		w = f.Ext1D
	case wordExt7D:
		w = f.Ext7D
	case wordExt8B:
		w = f.Ext8B
	case wordExt21A:
		w = f.Ext21A
	}
	return w>>(x&31)&1 != 0
}

// Detect fills in f for the CPU that runs the call.
//
// Context: ring 0; the result holds for this CPU alone.
func (f *Features) Detect() {
	f.detect()
	if f.Has(ArchCaps) {
		f.Caps = uint32(ReadMSR(MSRArchCaps))
	}
}

// detect reads CPUID, which ring 3 may do.
func (f *Features) detect() {
	var b, c, d uint32
	f.MaxLeaf, b, c, d = CPUID(0, 0)
	f.Vendor = vendor(b, c, d)
	var a uint32
	a, _, f.Leaf1C, f.Leaf1D = CPUID(1, 0)
	f.Family, f.Model = familyModel(a)
	if f.MaxLeaf >= 7 {
		_, f.Leaf7B, f.Leaf7C, f.Leaf7D = CPUID(7, 0)
	}
	if f.MaxLeaf >= 0x1a {
		f.Leaf1A, _, _, _ = CPUID(0x1a, 0)
	}
	maxExt, _, _, _ := CPUID(0x80000000, 0)
	if maxExt >= 0x80000001 {
		_, _, f.Ext1C, f.Ext1D = CPUID(0x80000001, 0)
	}
	if maxExt >= 0x80000007 {
		_, _, _, f.Ext7D = CPUID(0x80000007, 0)
	}
	if maxExt >= 0x80000008 {
		_, f.Ext8B, _, _ = CPUID(0x80000008, 0)
	}
	if maxExt >= 0x80000021 {
		f.Ext21A, _, _, _ = CPUID(0x80000021, 0)
	}
	f.Leaf1C &^= 1 << 27 // OSXSAVE mirrors CR4, not the CPU
}

// Features that the kernel's code, the Go runtime or a program uses on any CPU once the
// boot CPU has it.
const (
	// SSE3, PCLMULQDQ, SSSE3, FMA, compare and swap of 16 bytes, SSE4.1, SSE4.2, MOVBE, POPCNT, AES, XSAVE, AVX, half floats
	common1C = 1<<0 | 1<<1 | 1<<9 | 1<<12 | 1<<13 | 1<<19 | 1<<20 | 1<<22 | 1<<23 | 1<<25 | 1<<26 | 1<<28 | 1<<29
	// FSGSBASE, BMI1, AVX2, BMI2, ERMS, ADX, SMAP, SHA
	common7B = 1<<0 | 1<<3 | 1<<5 | 1<<8 | 1<<9 | 1<<19 | 1<<20 | 1<<29
	commonC  = 1<<0 | 1<<5           // LAHF, LZCNT
	commonD  = 1<<20 | 1<<26 | 1<<27 // NX, 1 GiB pages, RDTSCP
)

// Fits reports whether this CPU has what the boot CPU has and threads use wherever they
// run. The entry stubs of a kernel with SMAP contain CLAC, for example, which is undefined
// on a CPU without SMAP.
func (f *Features) Fits(boot *Features) bool {
	return boot.Leaf1C&^f.Leaf1C&common1C|boot.Leaf7B&^f.Leaf7B&common7B|
		boot.Ext1C&^f.Ext1C&commonC|boot.Ext1D&^f.Ext1D&commonD == 0
}

// X87Leak reports whether FXRSTOR and XRSTOR leave the x87 instruction and data pointers
// as they are unless an exception is pending, so that one program would see where another
// one executed x87 code: AMD's CPUs before Zen (AMD64 APM vol. 2, "FXSAVE and FXRSTOR
// Instructions").
func (f *Features) X87Leak() bool { return f.Vendor == VendorAMD && !f.Has(XSaveErrPtr) }

// Parts of "GenuineIntel" in CPUID leaf 0: EBX and EDX.
const (
	IntelB = 0x756e6547
	IntelD = 0x49656e69
)

// vendor decodes the registers of CPUID leaf 0.
func vendor(ebx, ecx, edx uint32) Vendor {
	switch {
	case ebx == IntelB && edx == IntelD && ecx == 0x6c65746e: // "GenuineIntel"
		return VendorIntel
	case ebx == 0x68747541 && edx == 0x69746e65 && ecx == 0x444d4163: // "AuthenticAMD"
		return VendorAMD
	}
	return VendorOther
}

// familyModel decodes EAX of CPUID leaf 1: the extended family counts when the
// base family is 0FH, the extended model when it is 06H or 0FH.
func familyModel(eax uint32) (family uint16, model uint8) {
	family = uint16(eax >> 8 & 0xf)
	model = uint8(eax >> 4 & 0xf)
	if family == 6 || family == 0xf {
		model |= uint8(eax >> 12 & 0xf0)
	}
	if family == 0xf {
		family += uint16(eax >> 20 & 0xff)
	}
	return family, model
}

// FeatureWords is the length of Words.
const FeatureWords = 14

// Words returns the features in a fixed order, for FromWords to read.
func (f *Features) Words() [FeatureWords]uint32 {
	return [FeatureWords]uint32{f.Leaf1C, f.Leaf1D, f.Leaf7B, f.Leaf7C, f.Leaf7D, f.Ext1C, f.Ext1D, f.Ext7D, f.Ext8B, f.Ext21A,
		f.Caps, f.MaxLeaf, uint32(f.Vendor)<<24 | uint32(f.Family)<<8 | uint32(f.Model), f.Leaf1A}
}

// FromWords returns the features from the result of Words.
func FromWords(w [FeatureWords]uint32) Features {
	return Features{Leaf1C: w[0], Leaf1D: w[1], Leaf7B: w[2], Leaf7C: w[3], Leaf7D: w[4], Ext1C: w[5], Ext1D: w[6], Ext7D: w[7],
		Ext8B: w[8], Ext21A: w[9], Caps: w[10], MaxLeaf: w[11], Vendor: Vendor(w[12] >> 24), Family: uint16(w[12] >> 8), Model: uint8(w[12]), Leaf1A: w[13]}
}
