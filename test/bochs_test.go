//go:build qemu

package test

import (
	"os/exec"
	"path/filepath"
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
	require.NotContains(t, out, "PANIC")
}
