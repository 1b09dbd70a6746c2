//go:build qemu

package test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"muster/kernel/percpu"
	"muster/tools/patience"
)

// script runs qemu-run.sh as it is, in another directory, and returns its
// status and what it said on both streams.
func script(t *testing.T, env []string, args ...string) (status int, out, errs string) {
	t.Helper()
	path, err := filepath.Abs(filepath.Join(root, "scripts", "qemu-run.sh"))
	require.NoError(t, err)
	cmd := patience.Command(context.Background(), path, args...)
	cmd.Dir = t.TempDir()
	cmd.Env = append(cmd.Env, env...)
	var o, e strings.Builder
	cmd.Stdout, cmd.Stderr = &o, &e
	err = cmd.Run()
	if _, ended := err.(*exec.ExitError); !ended {
		require.NoError(t, err)
	}
	return cmd.ProcessState.ExitCode(), o.String(), e.String()
}

// What is wrong with a call is said in one line, at once.
func TestScriptRefuses(t *testing.T) {
	for want, args := range map[string][]string{
		"unknown option --cpu-count; --help lists them":                      {"--cpu-count", "4"},
		fmt.Sprintf("--cpus 0: not a number from 1 to %d", percpu.Max):       {"--cpus", "0"},
		"--mem x: not a number from 64 to 4194304":                           {"--mem", "x"},
		"--boot floppy: not one of: bios uefi pvh":                           {"--boot", "floppy"},
		"--timeout needs a value; --help explains":                           {"--timeout"},
		"--app /nonexistent: no such file":                                   {"--app", "/nonexistent"},
		"--env A: not NAME=value":                                            {"--env", "A"},
		"--icount counts one CPU's instructions: --cpus 1":                   {"--icount", "--cpus", "2"},
		"--app and --run exclude each other":                                 {"--run", "ps", "--app", os.Args[0]},
		"/nonexistent.elf does not exist; make build makes build/kernel.elf": {"--kernel", "/nonexistent.elf"},
		"nosuchqemu is not installed; make setup installs it":                {"--run", "ps"},
	} {
		status, out, errs := script(t, []string{"QEMU=" + map[bool]string{true: "nosuchqemu"}[strings.HasPrefix(want, "nosuch")]}, args...)
		require.Equal(t, "qemu-run.sh: "+want+"\n", errs)
		require.Empty(t, out)
		require.Contains(t, []int{2, 125}, status)
	}
	status, out, _ := script(t, nil, "--help")
	require.Zero(t, status)
	require.Contains(t, out, "usage: qemu-run.sh")
}

// Every status that the script promises.
func TestScriptStatus(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		want int
		args []string
	}{
		"good":     {0, []string{"--run", "ps"}},
		"bad":      {1, []string{"--run", "nosuch; ps"}},
		"time out": {124, []string{"--timeout", "3", "--run", "crash hang"}},
		"panic":    {125, []string{"--run", "crash panic"}},
		"reset":    {125, []string{"--run", "reboot"}},
	} {
		t.Run(name, func(t *testing.T) {
			status, out, errs := script(t, nil, append([]string{"--boot", "pvh", "--accel", "tcg"}, tc.args...)...)
			require.Equal(t, tc.want, status, out+errs)
		})
	}
}

// A signal ends the script and its QEMU soon, and leaves no file behind.
func TestScriptInterrupted(t *testing.T) {
	tmp := t.TempDir()
	cmd := patience.Command(context.Background(), filepath.Join(root, "scripts", "qemu-run.sh"), "--boot", "pvh", "--accel", "tcg")
	cmd.Env = append(cmd.Env, "TMPDIR="+tmp)
	in, err := cmd.StdinPipe()
	require.NoError(t, err)
	defer in.Close()
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	one := make([]byte, 1)
	_, err = out.Read(one) // the guest runs
	require.NoError(t, err)
	require.NoError(t, cmd.Process.Signal(syscall.SIGTERM))
	done := make(chan struct{})
	go func() { cmd.Wait(); close(done) }()
	select {
	case <-done:
	case <-time.After(patience.For(10 * time.Second)):
		require.Fail(t, "still running long after SIGTERM")
	}
	require.Equal(t, 143, cmd.ProcessState.ExitCode())
	left, err := os.ReadDir(tmp)
	require.NoError(t, err)
	require.Empty(t, left)
}

// "auto" finds out by a boot, within its limit, and remembers the answer.
func TestScriptAuto(t *testing.T) {
	t.Parallel() // most of it is waiting for KVM
	cache := t.TempDir()
	began := time.Now()
	// The trial's limit is not scaled: a host on which KVM hangs is as slow as its limit.
	quick := []string{"XDG_CACHE_HOME=" + cache, patience.Variable + "=1"}
	status, _, errs := script(t, quick, "--boot", "pvh", "--timeout", "120", "--run", "ps")
	require.Zero(t, status, errs)
	require.Less(t, time.Since(began), patience.For(60*time.Second))
	answers, err := filepath.Glob(cache + "/muster/kvm-*")
	require.NoError(t, err)
	if _, err := os.Stat("/dev/kvm"); err != nil {
		require.Empty(t, answers, "without /dev/kvm there is nothing to find out")
		require.NotContains(t, errs, "trying KVM")
		return
	}
	require.Len(t, answers, 1)
	answer, err := os.ReadFile(answers[0])
	require.NoError(t, err)
	require.Regexp(t, "^(yes|no)\n$", string(answer))
	_, _, errs = script(t, []string{"XDG_CACHE_HOME=" + cache}, "--boot", "pvh", "--run", "ps")
	require.NotContains(t, errs, "trying KVM")
}

// gdb attaches before the first instruction and stops in the kernel.
func TestScriptGDB(t *testing.T) {
	if _, err := exec.LookPath("gdb"); err != nil {
		t.Skip("gdb is not installed")
	}
	cmd := patience.Command(context.Background(), filepath.Join(root, "scripts", "qemu-run.sh"), "--boot", "pvh", "--accel", "tcg", "--gdb", "--run", "ps", "--timeout", "60")
	require.NoError(t, cmd.Start())
	connect := fmt.Sprintf("set tcp connect-timeout %.0f", patience.For(20*time.Second).Seconds())
	ctx, cancel := context.WithTimeout(t.Context(), patience.For(40*time.Second))
	defer cancel()
	out, err := exec.CommandContext(ctx, "gdb", "-batch", "-nx", root+"/build/kernel.elf",
		"-ex", connect, "-ex", "target remote :1234", "-ex", "hbreak 'muster/kernel/start.bootMain'",
		"-ex", "continue", "-ex", "bt 1", "-ex", "delete", "-ex", "detach").CombinedOutput()
	require.NoError(t, err, "%s", out)
	require.Contains(t, string(out), "muster/kernel/start.bootMain")
	require.NoError(t, cmd.Wait(), "the machine goes on when gdb leaves")
}
