package cpu

// Lack is a feature that a CPU may lack, and what the kernel does in its place, which
// costs more.
type Lack struct {
	feature Feature
	Name    string
	Cost    string
}

var allLacks = [...]Lack{
	{XSave, "XSAVE", "FXSAVE and FXRSTOR save vector state, and programs have no AVX"},
	{FSGSBase, "FSGSBASE", "each entry from ring 3, each exit and each switch of threads reads or writes an MSR"},
	{X2APIC, "x2APIC", "an IPI takes two writes to memory of the local APIC, and an end of interrupt one"},
	{Page1GB, "1 GiB pages", "all memory is mapped by pages of 2 MiB, which need more entries of the TLB"},
}

// Lacks is the number of features whose absence makes the kernel slower.
const Lacks = len(allLacks)

// Lack returns one of these features, and whether this CPU lacks it.
func (f *Features) Lack(i int) (l Lack, lacks bool) { return allLacks[i], !f.Has(allLacks[i].feature) }

// Core is the kind of core that a CPU belongs to, on machines with several kinds.
type Core uint8

// Kinds of core.
const (
	CoreUniform     Core = iota // all are alike, or the CPU does not tell
	CorePerformance             // Intel Core
	CoreEfficient               // Intel Atom
	CoreOther
)

var coreNames = [...]string{CoreUniform: "", CorePerformance: "performance", CoreEfficient: "efficient", CoreOther: "other"}

// String returns the kind's name, "" for CoreUniform.
func (k Core) String() string { return coreNames[k] }

// Core returns the kind of this CPU's core.
//
// Source: Intel SDM vol. 2A, "CPUID", leaf 07H ("Hybrid") and leaf 1AH ("Native Model ID
// Enumeration").
func (f *Features) Core() Core {
	if !f.Has(Hybrid) {
		return CoreUniform
	}
	switch f.Leaf1A >> 24 {
	case 0x40:
		return CorePerformance
	case 0x20:
		return CoreEfficient
	}
	return CoreOther
}
