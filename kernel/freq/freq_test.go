package freq

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"muster/kernel/cpu"
)

type regs [4]uint32

var (
	intel = regs{0, 0x756e6547, 0x6c65746e, 0x49656e69}
	amd   = regs{0, 0x68747541, 0x444d4163, 0x69746e65}
)

// source makes the CPU of some leaves and registers; one that is not there raises a fault.
func source(vendor regs, top uint32, leaves map[uint32]regs, msrs map[uint32]uint64) *Source {
	return &Source{
		CPUID: func(leaf, _ uint32) (a, b, c, d uint32) {
			r := leaves[leaf]
			if leaf == 0 {
				r = vendor
				r[0] = top
			}
			return r[0], r[1], r[2], r[3]
		},
		MSR: func(number uint32) (uint64, error) {
			if v, ok := msrs[number]; ok {
				return v, nil
			}
			return 0, errors.New("#GP")
		},
	}
}

func TestFrequencies(t *testing.T) {
	const board, guest = 0x7ffafbbf, 0x7ffafbbf | bitVirtual
	ryzen := map[uint32]regs{1: {0x800f11, 0, board}, leafExtended: {0x8000001f}, leafAMDPower: {3: bitPStates}}
	states := map[uint32]uint64{msrPLimit: 0x20, msrPStatus: 1, cpu.MSRPState0: pStateValid | 8<<8 | 0x90,
		cpu.MSRPState0 + 1: pStateValid | 10<<8 | 0x80, cpu.MSRPState0 + 2: pStateValid | 12<<8 | 0x84, cpu.MSRPState0 + 3: 0}
	for name, tc := range map[string]struct {
		s    *Source
		want Frequencies
	}{
		"Core i7-6700K": {source(intel, 0x16, map[uint32]regs{1: {0x506e3, 0, board}, 6: {0x27f7}, 0x16: {4000, 4200, 100}},
			map[uint32]uint64{cpu.MSRPlatformInfo: 8<<40 | 40<<8, msrTurboLimit: 0x2a2a2a2a, msrPerfStatus: 42 << 8}),
			Frequencies{Base: 4000e6, Most: 4200e6, Least: 800e6, Bus: 100e6, Now: 4200e6, From: "CPUID 16H, MSR_PLATFORM_INFO", Turbo: true}},
		"Core i7-4770, registers alone": {source(intel, 0xd, map[uint32]regs{1: {0x306c3, 0, board}, 6: {0x77}},
			map[uint32]uint64{cpu.MSRPlatformInfo: 8<<40 | 34<<8, msrTurboLimit: 0x25262727, msrPerfStatus: 8 << 8}),
			Frequencies{Base: 3400e6, Most: 3900e6, Least: 800e6, Bus: 100e6, Now: 800e6, From: "MSR_PLATFORM_INFO", Turbo: true}},
		"registers that raise faults": {source(intel, 0x16, map[uint32]regs{1: {0x506e3, 0, board}, 0x16: {4000, 4200, 100}}, nil),
			Frequencies{Base: 4000e6, Most: 4200e6, Bus: 100e6, From: "CPUID 16H"}},
		"in a virtual machine": {source(intel, 0x16, map[uint32]regs{1: {0x506e3, 0, guest}}, map[uint32]uint64{cpu.MSRPlatformInfo: 40 << 8}),
			Frequencies{From: "nothing: the CPU does not tell"}},
		"a model without documentation": {source(intel, 0xd, map[uint32]regs{1: {0x1067a, 0, board}}, map[uint32]uint64{cpu.MSRPlatformInfo: 40 << 8}),
			Frequencies{From: "nothing: the CPU does not tell"}},
		"Ryzen 7 1800X": {source(amd, 0xd, ryzen, states),
			Frequencies{Base: 3600e6, Least: 2200e6, Now: 2560e6, P: []uint64{3600e6, 2560e6, 2200e6}, From: "P-states"}},
		"P-states that raise faults": {source(amd, 0xd, ryzen, nil), Frequencies{From: "nothing: the CPU does not tell"}},
		"an older AMD":               {source(amd, 0xd, map[uint32]regs{1: {0x600f20, 0, board}}, states), Frequencies{From: "nothing: the CPU does not tell"}},
	} {
		require.Equal(t, tc.want, tc.s.Frequencies(), name)
	}
}

func TestIdle(t *testing.T) {
	for name, tc := range map[string]struct {
		s    *Source
		want Idle
	}{
		"Core i7-6700K": {source(intel, 0x16, map[uint32]regs{1: {2: bitMonitor}, 5: {64, 64, 3, 0x142120}, 6: {0x27f7}}, nil),
			Idle{Monitor: true, Smallest: 64, Largest: 64, Breaks: true, Always: true, States: []IdleState{{"C1", 2}, {"C2", 1}, {"C3", 2}, {"C4", 4}, {"C5", 1}}}},
		"MWAIT without a list": {source(intel, 5, map[uint32]regs{1: {2: bitMonitor}, 5: {64, 64, 0, 0x20}}, nil),
			Idle{Monitor: true, Smallest: 64, Largest: 64, States: []IdleState{}}},
		"no MWAIT": {source(amd, 0xd, map[uint32]regs{5: {64, 64, 3, 0x20}}, nil), Idle{States: []IdleState{}}},
		"no leaf":  {source(intel, 3, map[uint32]regs{1: {2: bitMonitor}, 5: {64, 64, 3, 0x20}}, nil), Idle{Monitor: true, States: []IdleState{}}},
	} {
		require.Equal(t, tc.want, tc.s.Idle(), name)
	}
}
