//go:build qemu && soak

package test

import "testing"

// Every kind of 64-bit CPU, by BIOS and by PVH, with one CPU and with four. TestOldCPUs
// and TestVectorStateOfOldCPUs are the part for every day. QEMU 10 takes the bit OSXSAVE of CR4 for a
// reserved one if a model has no XSAVEOPT, and then leaves a virtual machine that it never entered,
// without end. AMD's Bulldozer and Piledriver have XSAVE without XSAVEOPT.
func TestSoakCPUModels(t *testing.T) {
	exe := build(t, "build", "./testdata/vectors")
	for model, lacks := range map[string][]string{
		"core2duo": {"XSAVE", "FSGSBASE"}, "Conroe": {"XSAVE", "FSGSBASE"}, "Penryn": {"XSAVE", "FSGSBASE"}, "Nehalem": {"XSAVE", "FSGSBASE"},
		"Westmere": {"XSAVE", "FSGSBASE"}, "phenom": {"XSAVE", "FSGSBASE"}, "Opteron_G1": {"XSAVE", "FSGSBASE"}, "Opteron_G3": {"XSAVE", "FSGSBASE"},
		"qemu64": {"XSAVE", "FSGSBASE"}, "kvm64": {"XSAVE", "FSGSBASE"}, "SandyBridge": {"FSGSBASE"}, "IvyBridge": nil,
		"Opteron_G4,+xsaveopt": {"FSGSBASE"}, "Opteron_G5,+xsaveopt": {"FSGSBASE"},
		"EPYC": nil, "max": nil, "max,la57=on": nil,
	} {
		for _, loader := range []string{"pvh", "bios"} {
			for _, cpus := range []string{"1", "4"} {
				t.Run(model+" "+loader+" "+cpus, func(t *testing.T) { bootOld(t, model, cpus, loader, lacks...) })
			}
		}
		t.Run(model+" program", func(t *testing.T) {
			runApp(t, exe, nil, "--cpu", model, "--cpus", "4", "--timeout", "180").ok().has("vectors: state kept")
		})
	}
}
