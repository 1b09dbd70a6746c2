package main

import (
	"encoding/binary"
	"fmt"
	"runtime"
	"strings"

	"muster/boot"
	"muster/kernel/abi"
	"muster/kernel/clock"
	"muster/kernel/cpu"
	"muster/kernel/kcall"
	"muster/kernel/msr"
	"muster/kernel/screen"
	"muster/kernel/shell"
	"muster/kernel/start"
)

// CPUID leaves with names (Intel SDM vol. 2A, "CPUID"; Microsoft, "Hypervisor Top-Level
// Functional Specification", "Hypervisor CPUID Leaf Range").
const (
	leafHypervisor   = 0x40000000
	leafExtended     = 0x80000000
	leafBrand        = 0x80000002 // and the next two
	bitHypervisor    = 1 << 31    // leaf 1, ECX
	msrMicrocode     = 0x8b       // IA32_BIOS_SIGN_ID; AMD: PATCH_LEVEL
	steppingMask     = 0xf        // leaf 1, EAX
	microcodeIntelHi = 32
)

// Machine returns what the other listings do not say.
func (s *system) Machine() shell.Machine {
	m := shell.Machine{Version: start.Version, Go: runtime.Version(), Loader: boot.Protocol(s.info.Protocol).String(),
		CPU: brand(cpu.CPUID), TSCHz: s.info.TSCHz, TSCFrom: clock.Source(s.info.TSCSource).String(), TimerHz: s.info.TimerHz,
		X2APIC: s.info.X2APIC != 0, Screen: screenOf(&s.info.Framebuffer), Free: []shell.Range{}}
	eax, _, ecx, _ := cpu.CPUID(1, 0)
	m.Stepping = uint8(eax & steppingMask)
	if ecx&bitHypervisor != 0 {
		_, b, c, d := cpu.CPUID(leafHypervisor, 0)
		m.Hypervisor = registers(b, c, d)
	}
	switch v, err := msr.Read(msrMicrocode); {
	case err != nil:
	case s.features.Vendor == cpu.VendorIntel:
		m.Microcode = v >> microcodeIntelHi
	default:
		m.Microcode = v
	}
	for _, r := range kcall.Slice[abi.Region](s.info.Regions, s.info.RegionCount) {
		m.Free = append(m.Free, shell.Range{Start: r.Start, End: r.Start + r.Length})
	}
	return m
}

// brand returns the name of the boot CPU, "" if it has none.
func brand(cpuid func(leaf, subleaf uint32) (a, b, c, d uint32)) string {
	if top, _, _, _ := cpuid(leafExtended, 0); top < leafBrand+2 {
		return ""
	}
	text := ""
	for i := range uint32(3) {
		a, b, c, d := cpuid(leafBrand+i, 0)
		text += registers(a, b, c, d)
	}
	return strings.Join(strings.Fields(text), " ")
}

// registers returns the bytes of registers as text, up to the first zero.
func registers(list ...uint32) string {
	var b []byte
	for _, v := range list {
		b = binary.LittleEndian.AppendUint32(b, v)
	}
	return field(b)
}

// screenOf describes the screen that the loader has set up.
func screenOf(f *abi.Framebuffer) string {
	if f.Kind != screen.KindPixels {
		return "no framebuffer"
	}
	return fmt.Sprintf("%dx%d, %d bits, pitch %d", f.Width, f.Height, f.BitsPerPixel, f.Pitch)
}
