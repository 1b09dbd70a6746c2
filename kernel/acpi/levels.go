package acpi

// Levels says how the bits of an APIC id name package, die, core and thread, by
// CPUID: the thread is the lowest Core bits, the core the bits up to Die, the die
// the bits up to Package, the package the rest.
type Levels struct {
	Core    uint8 `json:"core_shift"`
	Die     uint8 `json:"die_shift"`
	Package uint8 `json:"package_shift"`
}

// Types of level in CPUID leaves 0BH and 1FH.
const (
	levelThread = 1
	levelDie    = 5
)

// maxLevels bounds the levels that are read of a leaf.
const maxLevels = 8

// ReadLevels reads CPUID, the best leaf that the CPU has. cpuid is the instruction,
// on any CPU of the machine, or a table of answers in a test.
//
// Source: Intel SDM vol. 3A, "Hierarchical Mapping of Shared Resources"; AMD64 APM
// vol. 3, "Extended Topology Enumeration", "Processor Topology Information" (CPUID leaf
// 8000_001EH).
func ReadLevels(cpuid func(leaf, sub uint32) (a, b, c, d uint32)) Levels {
	return readLevels(cpuid).withNodes(cpuid)
}

// withNodes splits a package of AMD's CPUs into nodes, which are dies, and an old leaf's
// cores into threads. Leaves 0BH and 4 know neither.
func (l Levels) withNodes(cpuid func(leaf, sub uint32) (a, b, c, d uint32)) Levels {
	const topologyExtensions = 1 << 22
	if ext, _, _, _ := cpuid(0x80000000, 0); ext < 0x8000001e {
		return l
	}
	if _, _, c, _ := cpuid(0x80000001, 0); c&topologyExtensions == 0 {
		return l
	}
	_, b, c, _ := cpuid(0x8000001e, 0)
	if threads := bitsFor(b>>8&0xff + 1); l.Core == 0 && zen(cpuid) {
		l.Core = min(threads, l.Package)
	}
	if nodes := bitsFor(c>>8&7 + 1); l.Die == l.Package && l.Core <= l.Package && nodes <= l.Package-l.Core {
		l.Die = l.Package - nodes
	}
	return l
}

// zen reports whether the CPU is of family 17H or later: before, the leaf counts the cores
// of a compute unit in place of the threads of a core.
func zen(cpuid func(leaf, sub uint32) (a, b, c, d uint32)) bool {
	a, _, _, _ := cpuid(1, 0)
	return a>>8&0xf == 0xf && a>>20&0xff >= 0x17-0xf
}

func readLevels(cpuid func(leaf, sub uint32) (a, b, c, d uint32)) (l Levels) {
	top, _, _, _ := cpuid(0, 0)
	for _, leaf := range [2]uint32{0x1f, 0x0b} {
		if top < leaf {
			continue
		}
		if _, b, _, _ := cpuid(leaf, 0); b&0xffff != 0 {
			return extendedLevels(leaf, cpuid)
		}
	}
	return oldLevels(top, cpuid)
}

// extendedLevels reads a leaf with one sub-leaf for each level, the lowest first.
func extendedLevels(leaf uint32, cpuid func(leaf, sub uint32) (a, b, c, d uint32)) (l Levels) {
	die := false
	below := uint8(0) // shift of the lower level
	for sub := range uint32(maxLevels) {
		a, _, c, _ := cpuid(leaf, sub)
		kind, shift := c>>8&0xff, uint8(a&31)
		if kind == 0 {
			break
		}
		switch kind {
		case levelThread:
			l.Core = shift
		case levelDie:
			l.Die, die = below, true
		}
		l.Package, below = shift, shift
	}
	if !die {
		l.Die = l.Package
	}
	return l
}

// oldLevels computes the widths from counts, which are rounded up to powers of two.
func oldLevels(top uint32, cpuid func(leaf, sub uint32) (a, b, c, d uint32)) (l Levels) {
	const hyperThreading = 1 << 28
	_, b, _, d := cpuid(1, 0)
	if d&hyperThreading == 0 {
		return l
	}
	logical := b >> 16 & 0xff
	cores := uint32(1)
	if top >= 4 {
		if a, _, _, _ := cpuid(4, 0); a&0x1f != 0 {
			cores = a>>26 + 1
		}
	}
	if ext, _, _, _ := cpuid(0x80000000, 0); cores == 1 && ext >= 0x80000008 {
		if _, _, c, _ := cpuid(0x80000008, 0); c&0xff != 0 { // AMD: cores, and how wide their number is
			cores = c&0xff + 1
			if n := c >> 12 & 0xf; n != 0 {
				cores = 1 << n
			}
			logical = max(logical, cores)
		}
	}
	l.Package = bitsFor(logical)
	l.Core = l.Package - min(bitsFor(cores), l.Package)
	l.Die = l.Package
	return l
}

// bitsFor returns how many bits can number n things.
func bitsFor(n uint32) (bits uint8) {
	for n > 1<<bits {
		bits++
	}
	return bits
}

// BusHz returns the frequency of the clock that the local APIC's timer divides, 0
// if CPUID does not report it (leaf 15H, the crystal's; leaf 16H, the bus's).
func BusHz(cpuid func(leaf, sub uint32) (a, b, c, d uint32)) uint64 {
	top, _, _, _ := cpuid(0, 0)
	if top >= 0x15 {
		if _, _, hz, _ := cpuid(0x15, 0); hz != 0 {
			return uint64(hz)
		}
	}
	if top >= 0x16 {
		if _, _, mhz, _ := cpuid(0x16, 0); mhz&0xffff != 0 {
			return uint64(mhz&0xffff) * 1e6
		}
	}
	return 0
}
