package clock

import (
	"testing"

	"github.com/stretchr/testify/require"

	"muster/kernel/cpu"
)

type regs [4]uint32

// vendors are EBX, ECX and EDX of leaf 0.
var (
	intel = regs{0, 0x756e6547, 0x6c65746e, 0x49656e69}
	amd   = regs{0, 0x68747541, 0x444d4163, 0x69746e65}
)

// answers are the leaves and registers of a CPU. As on Intel's CPUs, a leaf above the highest one
// answers like the highest basic leaf. A register that is not there raises a fault.
type answers struct {
	vendor regs
	top    uint32
	leaves map[uint32]regs
	msrs   map[uint32]uint64
}

func (x answers) claimant(t *testing.T) *claimant {
	return &claimant{
		cpuid: func(leaf, sub uint32) (a, b, c, d uint32) {
			require.Zero(t, sub)
			if leaf == 0 {
				return x.top, x.vendor[1], x.vendor[2], x.vendor[3]
			}
			r, ok := x.leaves[leaf]
			if !ok {
				r = x.leaves[x.top]
			}
			return r[0], r[1], r[2], r[3]
		},
		msr: func(number uint32) (v uint64, ok bool) {
			v, ok = x.msrs[number]
			return v, ok
		},
	}
}

const noHypervisor = 0x7ffafbbf // leaf 1, ECX, of a CPU on a board

// leafOne is leaf 1 with a signature.
func leafOne(signature, ecx uint32) regs { return regs{signature, 0, ecx, 0xbfebfbff} }

// extended are the leaves from 8000_0000H to 8000_0007H.
func extended(m map[uint32]regs, edx7 uint32) map[uint32]regs {
	m[leafExtended] = regs{0x80000008}
	m[leafPower] = regs{3: edx7}
	return m
}

// Leaves 1, 15H and 16H of real CPUs, and the frequencies that Linux logs on them.
func TestClaims(t *testing.T) {
	const ratio = platformRatio
	for name, tc := range map[string]struct {
		cpu                                      answers
		cpuid, hypervisor, register, base, timer uint64
	}{
		"Core i7-6700K: crystal clock by model": {cpu: answers{intel, 0x16, map[uint32]regs{1: leafOne(0x506e3, noHypervisor),
			0x15: {2, 334}, 0x16: {4000, 4200, 100}}, map[uint32]uint64{cpu.MSRPlatformInfo: 40 << ratio}},
			cpuid: 4008e6, register: 4000e6, base: 4000e6, timer: 24e6},
		"Core i7-8550U": {cpu: answers{intel, 0x16, map[uint32]regs{1: leafOne(0x806ea, noHypervisor),
			0x15: {2, 166}, 0x16: {2000, 4000, 100}}, map[uint32]uint64{cpu.MSRPlatformInfo: 20 << ratio}},
			cpuid: 1992e6, register: 2000e6, base: 2000e6, timer: 24e6},
		"Core i7-1165G7: all in the leaf": {cpu: answers{intel, 0x1b, map[uint32]regs{1: leafOne(0x806c1, noHypervisor),
			0x15: {2, 146, 38_400_000}, 0x16: {2800, 4700, 100}}, map[uint32]uint64{cpu.MSRPlatformInfo: 28 << ratio}},
			cpuid: 2803_200_000, register: 2800e6, base: 2800e6, timer: 38_400_000},
		"Core i9-12900K": {cpu: answers{intel, 0x20, map[uint32]regs{1: leafOne(0x90672, noHypervisor),
			0x15: {2, 166, 38_400_000}, 0x16: {3200, 5200, 100}}, map[uint32]uint64{cpu.MSRPlatformInfo: 32 << ratio}},
			cpuid: 3187_200_000, register: 3200e6, base: 3200e6, timer: 38_400_000},
		"Xeon Gold 6130: no crystal clock is known, only the nominal frequency": {cpu: answers{intel, 0x16, map[uint32]regs{1: leafOne(0x50654, noHypervisor),
			0x15: {2, 168}, 0x16: {2100, 3700, 100}}, map[uint32]uint64{cpu.MSRPlatformInfo: 21 << ratio}},
			register: 2100e6, base: 2100e6},
		"Pentium N4200": {cpu: answers{intel, 0x15, map[uint32]regs{1: leafOne(0x506c9, noHypervisor), 0x15: {3, 171}}, nil},
			cpuid: 1094_400_000, timer: 19_200_000},
		"Atom C3558": {cpu: answers{intel, 0x15, map[uint32]regs{1: leafOne(0x506f1, noHypervisor), 0x15: {2, 176}}, nil},
			cpuid: 2200e6, timer: 25_000_000},
		"Core i7-4770: no leaf, a register": {cpu: answers{intel, 0xd, map[uint32]regs{1: leafOne(0x306c3, noHypervisor), 0xd: {7, 832, 832}},
			map[uint32]uint64{cpu.MSRPlatformInfo: 0x80838f3012200}}, register: 3400e6},
		"Core i7-920: a bus of 133 MHz": {cpu: answers{intel, 0xb, map[uint32]regs{1: leafOne(0x106a5, noHypervisor), 0xb: {1, 2}},
			map[uint32]uint64{cpu.MSRPlatformInfo: 20 << ratio}}, register: 2666_666_660},
		"the register raises a fault": {cpu: answers{intel, 0xd, map[uint32]regs{1: leafOne(0x306c3, noHypervisor)}, nil}},
		"Core 2: no leaf, no register is documented": {cpu: answers{intel, 0xd, map[uint32]regs{1: leafOne(0x1067a, noHypervisor)},
			map[uint32]uint64{cpu.MSRPlatformInfo: 34 << ratio}}},
		"Pentium 4": {cpu: answers{intel, 5, map[uint32]regs{1: leafOne(0xf43, noHypervisor)}, map[uint32]uint64{cpu.MSRPlatformInfo: 34 << ratio}}},
		"Ryzen 7 1800X": {cpu: answers{amd, 0xd, extended(map[uint32]regs{1: leafOne(0x800f11, noHypervisor)}, bitInvariant),
			map[uint32]uint64{msrHWConfig: hwcTSCFrequency | 0x10, cpu.MSRPState0: pstateValid | 8<<8 | 0x90}}, register: 3600e6},
		"Ryzen 9 5950X": {cpu: answers{amd, 0x10, extended(map[uint32]regs{1: leafOne(0xa20f10, noHypervisor)}, bitInvariant),
			map[uint32]uint64{msrHWConfig: hwcTSCFrequency, cpu.MSRPState0: pstateValid | 8<<8 | 0x88}}, register: 3400e6},
		"Ryzen 9 9950X": {cpu: answers{amd, 0x10, extended(map[uint32]regs{1: leafOne(0xb40f40, noHypervisor)}, bitInvariant),
			map[uint32]uint64{msrHWConfig: hwcTSCFrequency, cpu.MSRPState0: pstateValid | 0x35c}}, register: 4300e6},
		"FX-8350: its P-states are others": {cpu: answers{amd, 0xd, extended(map[uint32]regs{1: leafOne(0x600f20, noHypervisor)}, bitInvariant),
			map[uint32]uint64{msrHWConfig: hwcTSCFrequency, cpu.MSRPState0: pstateValid | 8<<8 | 0x88}}},
		"AMD, not invariant": {cpu: answers{amd, 0xd, extended(map[uint32]regs{1: leafOne(0x800f11, noHypervisor)}, 0),
			map[uint32]uint64{msrHWConfig: hwcTSCFrequency, cpu.MSRPState0: pstateValid | 8<<8 | 0x90}}},
		"AMD, the TSC has another clock": {cpu: answers{amd, 0xd, extended(map[uint32]regs{1: leafOne(0x800f11, noHypervisor)}, bitInvariant),
			map[uint32]uint64{msrHWConfig: 0, cpu.MSRPState0: pstateValid | 8<<8 | 0x90}}},
		"AMD, a P-state that is off": {cpu: answers{amd, 0xd, extended(map[uint32]regs{1: leafOne(0x800f11, noHypervisor)}, bitInvariant),
			map[uint32]uint64{msrHWConfig: hwcTSCFrequency, cpu.MSRPState0: 8<<8 | 0x90}}},
		"AMD, a divider of 0": {cpu: answers{amd, 0xd, extended(map[uint32]regs{1: leafOne(0x800f11, noHypervisor)}, bitInvariant),
			map[uint32]uint64{msrHWConfig: hwcTSCFrequency, cpu.MSRPState0: pstateValid | 0x90}}},
		"a guest of VMware": {cpu: answers{intel, 0xd, map[uint32]regs{1: leafOne(0x306c3, noHypervisor|bitHypervisor),
			leafHypervisor: {0x40000010, 0x61774d56, 0x4d566572, 0x65726177}, leafFrequency: {3392_294, 66_000}}, map[uint32]uint64{cpu.MSRPlatformInfo: 34 << ratio}},
			hypervisor: 3392_294_000, timer: 66e6},
		"a guest of KVM without the leaf": {cpu: answers{amd, 0xd, extended(map[uint32]regs{1: leafOne(0x800f11, noHypervisor|bitHypervisor),
			leafHypervisor: {0x40000001, 0x4b4d564b, 0x564b4d56, 0x4d}, leafFrequency: {1, 2}}, bitInvariant),
			map[uint32]uint64{msrHWConfig: hwcTSCFrequency, cpu.MSRPState0: pstateValid | 8<<8 | 0x90}}},
		"a hypervisor whose highest leaf is nonsense": {cpu: answers{intel, 0xd, map[uint32]regs{1: leafOne(0x306c3, noHypervisor|bitHypervisor),
			leafHypervisor: {0x80000008}, leafFrequency: {1, 2}}, nil}},
		"a board whose CPU answers the hypervisor's leaves": {cpu: answers{intel, 0xd, map[uint32]regs{1: leafOne(0x306c3, noHypervisor),
			leafHypervisor: {0x40000010}, leafFrequency: {1, 2}}, nil}},
		"a ratio of 0":                      {cpu: answers{intel, 0x16, map[uint32]regs{1: leafOne(0x506e3, noHypervisor), 0x15: {2, 0, 24e6}, 0x16: {}}, nil}},
		"a denominator of 0":                {cpu: answers{intel, 0x16, map[uint32]regs{1: leafOne(0x506e3, noHypervisor), 0x15: {0, 2, 24e6}, 0x16: {}}, nil}},
		"bits above the MHz":                {cpu: answers{intel, 0x16, map[uint32]regs{1: leafOne(0x506e3, noHypervisor), 0x16: {0xabcd0fa0}}, nil}, base: 4000e6},
		"no leaves at all":                  {cpu: answers{intel, 1, map[uint32]regs{1: leafOne(0x10676, noHypervisor)}, nil}},
		"a crystal clock that is not known": {cpu: answers{intel, 0x15, map[uint32]regs{1: leafOne(0x50654, noHypervisor), 0x15: {2, 168}}, nil}},
	} {
		var r Calibration
		r.claims(tc.cpu.claimant(t))
		got := [5]uint64{r.Readings[FromCPUID].Hz, r.Readings[FromHypervisor].Hz, r.Readings[FromRegister].Hz, r.Readings[FromBase].Hz, r.TimerHz}
		require.Equal(t, [5]uint64{tc.cpuid, tc.hypervisor, tc.register, tc.base, tc.timer}, got, name)
	}
}

// The model's crystal clock must not be given to another maker's CPU.
func TestCrystalsAreIntel(t *testing.T) {
	x := answers{amd, 0x15, map[uint32]regs{1: leafOne(0x506e3, noHypervisor), 0x15: {2, 334}}, nil}
	hz, crystal, exact := x.claimant(t).crystal()
	require.Zero(t, hz)
	require.Zero(t, crystal)
	require.False(t, exact)
	require.Equal(t, cpu.VendorAMD, cpu.VendorOf(amd[1], amd[2], amd[3]))
}
