//go:build qemu

package test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"muster/kernel/shell"
)

// A CPU from the first 64-bit ones on boots, runs the self-tests that switch threads and
// programs, and says what is slower.
func TestOldCPUs(t *testing.T) {
	t.Parallel()
	for _, model := range []string{"core2duo", "Opteron_G1", "Nehalem"} {
		for _, cpus := range []string{"1", "4"} {
			t.Run(model+" "+cpus, func(t *testing.T) { bootOld(t, model, cpus, "pvh", "XSAVE", "FSGSBASE") })
		}
	}
	t.Run("by BIOS", func(t *testing.T) { bootOld(t, "core2duo", "4", "bios", "XSAVE", "FSGSBASE") })
}

// bootOld boots a model, runs self-tests, and compares what the kernel says that the CPU
// lacks of XSAVE and FSGSBASE.
func bootOld(t *testing.T, model, cpus, loader string, lacks ...string) {
	t.Helper()
	const command = "cpus -features -json"
	r := boot(t, "--cpu", model, "--cpus", cpus, "--boot", loader, "--mem", "512", "--timeout", "120", "--run", "test basics; test threads; test mitigations; "+command).ok()
	for _, f := range decode[[]shell.Features](r, command) {
		var list []string
		for _, l := range f.Slower {
			if strings.Contains(l.Without, "S") { // x2APIC and the page size depend on QEMU's version
				list = append(list, l.Without)
			}
		}
		require.Equal(t, lacks, list, "cpu %d", f.CPU)
	}
}

// Vector state, FS and GS over system calls, signals, preemption and switches, on CPUs
// that have FXSAVE alone, and on one with XSAVE whose bases are in MSRs.
func TestVectorStateOfOldCPUs(t *testing.T) {
	exe := build(t, "build", "./testdata/vectors")
	for model, components := range map[string]string{"core2duo": "0x3", "Opteron_G1": "0x3", "SandyBridge": "0x7", "max,-xsave": "0x3"} {
		for _, cpus := range []string{"1", "4"} {
			t.Run(model+" "+cpus, func(t *testing.T) {
				t.Parallel()
				runApp(t, exe, nil, "--cpus", cpus, "--cpu", model, "--timeout", "180").ok().
					has("vectors: state kept, components " + components + ", 13 kinds of calls\n")
			})
		}
	}
}
