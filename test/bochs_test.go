//go:build qemu

package test

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"muster/tools/patience"
)

// bochs boots in Bochs and returns the serial log; the machine must go off by itself.
func bochs(t *testing.T, args ...string) string {
	t.Helper()
	if _, err := exec.LookPath("bochs"); err != nil {
		t.Skip("bochs is not installed; scripts/setup.sh test installs it")
	}
	cmd := patience.Command(t.Context(), filepath.Join(root, "scripts", "bochs-run.sh"), args...)
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)
	return string(out)
}

// Another machine, with other firmware and other mistakes: 4 CPUs, and S5.
func TestBochs(t *testing.T) {
	out := bochs(t, "--run", "cpus; test basics; test rights; test cpus")
	require.Contains(t, out, "in x2APIC mode")
	require.Contains(t, out, "smp: 4 of 4 CPUs online")
	require.Contains(t, out, "ok   basics")
	require.Contains(t, out, "ok   rights")
	require.Contains(t, out, "ok   cpus")
	require.Regexp(t, `clock: CPUID 16H says 3500000 kHz, \d+% from what HPET says: not used`, out, "it is the real CPU's")
	require.NotContains(t, out, "PANIC")
}

// Bochs has the TSC deadline, which QEMU has not. Its CPU is one with an erratum that newer
// microcode mends, and has no microcode, so the option must admit the mode.
func TestBochsDeadline(t *testing.T) {
	t.Parallel()
	out := bochs(t, "--append", "timer=deadline", "--run", "test timers; test threads; test cpus")
	require.Contains(t, out, "irq: timer: TSC deadline")
	require.Contains(t, out, "ok   timers")
	require.Contains(t, out, "ok   threads")
}

// Bochs raises what QEMU does not: alignment checks, the stack exception, and those of SSE.
// Here the kernel's answer is Linux's in every line, without a table of differences.
func TestBochsExceptions(t *testing.T) {
	t.Parallel()
	exe, want := exceptions(t)
	log := strings.ReplaceAll(bochs(t, "--cpus", "1", "--module", exe, "--run", "app exceptions"), "\r", "")
	for _, line := range want {
		require.Contains(t, log, line+"\n")
	}
	for _, vector := range []int{12, 17, 19} {
		require.Contains(t, log, fmt.Sprintf(", vector %d error 0x0", vector), "these are what this test is for")
	}
}
