//go:build qemu

package test

import (
	"os/exec"
	"testing"

	"github.com/stretchr/testify/require"
)

// conflicts runs the tool of make conflicts, and returns what it prints, and its status.
func conflicts(t *testing.T, args ...string) (string, int) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", append([]string{"run", "./tools/conflicts"}, args...)...)
	cmd.Dir = root
	out, err := cmd.CombinedOutput()
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("%s: %v\n%s", cmd, err, out)
		}
	})
	return string(out), cmd.ProcessState.ExitCode()
}

// Pairs that commute share no cache line, and the control shares one: both workers use one pipe.
// make conflicts has all pairs.
func TestConflicts(t *testing.T) {
	out, status := conflicts(t, "-pairs", "getpid,getuid,uname,sigaltstack,prlimit64,getcpu,sched_yield,futex_wake,futex_wait_mismatch,one_pipe")
	require.Equal(t, 0, status)
	require.Contains(t, out, "9 of 9 pairs are free of conflicts.\n")
	require.Regexp(t, `(?m)^\| one_pipe \| [1-9]\d* \|`, out)
	require.Regexp(t, `(?m)^    store linux\.\(\*pipe\)\.`, out)
}

// The plugin finds locked instructions: a getpid has none, and a fault at least the locks of a space.
func TestLockedOperations(t *testing.T) {
	out, status := conflicts(t, "-count")
	require.Equal(t, 0, status)
	require.Regexp(t, `(?m)^\| getpid \| \d+\.\d \| 0\.\d\d \|$`, out)
	require.Regexp(t, `(?m)^\| page_fault \| \d+\.\d \| [1-9]\d*\.\d\d \|$`, out)
}
