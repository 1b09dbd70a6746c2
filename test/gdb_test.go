//go:build qemu

package test

import (
	"bytes"
	"context"
	"debug/elf"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"muster/tools/patience"
)

// lineOf returns the number of the line of a source file that has a text.
func lineOf(t *testing.T, file, text string) int {
	t.Helper()
	source, err := os.ReadFile(filepath.Join(root, file))
	require.NoError(t, err)
	before, _, ok := strings.Cut(string(source), text)
	require.True(t, ok)
	return strings.Count(before, "\n") + 1
}

// addressOf returns the address of a function of a program.
func addressOf(t *testing.T, program, name string) uint64 {
	t.Helper()
	f, err := elf.Open(program)
	require.NoError(t, err)
	defer f.Close()
	symbols, err := f.Symbols()
	require.NoError(t, err)
	for _, s := range symbols {
		if s.Name == name {
			return s.Value
		}
	}
	require.Fail(t, "no symbol", name)
	return 0
}

// debugged runs commands of gdb on a machine that waits before its first instruction, and
// returns what gdb prints. Afterwards the machine must end well by itself.
func debugged(t *testing.T, commands []string, args ...string) string {
	t.Helper()
	socket := filepath.Join(t.TempDir(), "gdb")
	kernel := filepath.Join(root, "build", "kernel-debug.elf")
	args = append([]string{"--boot", "pvh", "--accel", "tcg", "--mem", "512", "--timeout", "200", "--kernel", kernel,
		"--qemu", "-chardev socket,path=" + socket + ",server=on,wait=off,id=gdb -gdb chardev:gdb -S"}, args...)
	ctx, cancel := context.WithTimeout(t.Context(), patience.For(150*time.Second))
	defer cancel()
	machine := patience.Command(ctx, filepath.Join(root, "scripts", "qemu-run.sh"), args...)
	var log bytes.Buffer
	machine.Stdout, machine.Stderr = &log, &log
	machine.Cancel = func() error { return machine.Process.Signal(interrupt) }
	require.NoError(t, machine.Start())
	require.Eventually(t, func() bool { _, err := os.Stat(socket); return err == nil }, patience.For(20*time.Second), 50*time.Millisecond)
	list := []string{"--kernel", kernel, "--target", socket, "-batch"}
	for _, c := range commands {
		list = append(list, "-ex", c)
	}
	out, err := exec.CommandContext(ctx, filepath.Join(root, "scripts", "gdb.sh"), list...).CombinedOutput()
	if err != nil {
		cancel()
	}
	ended := machine.Wait()
	require.NoError(t, err, "%s\n%s", out, log.String())
	require.NoError(t, ended, "%s\n%s", out, log.String())
	return string(out)
}

// The commands of scripts/gdb show CPUs, threads and goroutines wherever the kernel stops:
// at the first instruction, in ordinary Go code, in ring 3, in the core. Lists that are
// broken are an error. The debug kernel has the values of variables.
func TestGDB(t *testing.T) {
	if _, err := exec.LookPath("gdb"); err != nil {
		t.Skip("gdb is not installed")
	}
	program := build(t, "build", "./testdata/hot")
	goroutine := "muster bt 2"
	out := debugged(t, []string{
		"muster cpus", "muster threads", "muster goroutines", "muster bt 1",
		fmt.Sprintf("hbreak kernel/shell/commands.go:%d", lineOf(t, "kernel/shell/commands.go", "up %v, %s")), "continue", "delete", `echo ==go==\n`,
		"info locals", "print u.UpNS > 0", "muster cpus", "muster threads", "muster goroutines", goroutine, "muster bt 1", "muster bt 9999",
		fmt.Sprintf("hbreak *%#x", addressOf(t, program, "main.sum")), "continue", "delete", `echo ==ring3==\n`,
		"muster cpus", "muster threads", "muster goroutines", goroutine, "muster bt 1",
		"hbreak 'muster/kernel/linux.sysGetrusage'", "continue", "delete", `echo ==core==\n`,
		"muster cpus", "muster threads", "muster goroutines", goroutine, `echo ==broken==\n`,
		"set $left = 'muster/kernel/linux.tasks'.tree.Root.Left", "set var 'muster/kernel/linux.tasks'.tree.Root.Left = 'muster/kernel/linux.tasks'.tree.Root",
		"muster threads", "set var 'muster/kernel/linux.tasks'.tree.Root.Left = $left", "muster threads",
		// By Python, because len is a keyword of gdb's Go.
		`python length = int(gdb.parse_and_eval("'runtime.allgs'")["len"].address); was = gdb.selected_inferior().read_memory(length, 8).tobytes()`,
		`python gdb.selected_inferior().write_memory(length, (1 << 40).to_bytes(8, "little"))`,
		"muster goroutines", "python gdb.selected_inferior().write_memory(length, was)",
		"set $array = 'runtime.allgs'.array", "set var 'runtime.allgs'.array = 8", "muster bt 2", "set var 'runtime.allgs'.array = $array",
		"detach",
	}, "--qemu", "-initrd "+program, "--cpus", "4", "--run", "uptime; app hot sum; app hot calls")
	t.Cleanup(func() {
		if t.Failed() {
			t.Log(out)
		}
	})
	require.NotContains(t, strings.ToLower(out), "warning")
	parts := strings.Split(out, "==")
	require.Len(t, parts, 9)
	reset, inGo, ring3, core, broken := parts[0], parts[2], parts[4], parts[6], parts[8]

	require.Equal(t, 4, strings.Count(reset, "no runtime yet"))
	require.Regexp(t, `u = \{UpNS = [1-9]\d*, Date = `, inGo)
	require.Contains(t, inGo, "$1 = true")
	require.Regexp(t, `(?m)^\d .* muster/kernel/shell\.uptime\+0x`, inGo)
	require.Regexp(t, `goroutine 1 runs in thread \d+ on cpu \d: thread \d, then bt`, inGo)
	require.Contains(t, inGo, "there is no goroutine 9999")
	require.Regexp(t, `(?m)^\d .* \d+ hot .* 0x\w+ in ring 3$`, ring3)
	require.Regexp(t, `(?m)^\d+ +\d+ +hot +\d +running`, ring3)
	require.Regexp(t, `(?s)goroutine 1, .* main\.main \(`, ring3, "it waits for the program")
	require.Regexp(t, `(?m)^\d .* \d+ hot .* muster/kernel/linux\.sysGetrusage\+0x`, core)
	for _, part := range []string{inGo, ring3, core} {
		require.Equal(t, 4, strings.Count(part, " online "))
		require.Regexp(t, `(?m)^2 +waiting +force gc \(idle\) +runtime\.forcegchelper\+0x`, part)
		require.Regexp(t, `(?s)goroutine 2, waiting, force gc \(idle\).*#0 .*runtime\.gopark.* runtime\.forcegchelper \(`, part)
	}
	require.Contains(t, broken, "has no end")
	require.Contains(t, broken, "goroutines: runtime.allgs is broken")
	require.Contains(t, broken, "runtime.allgs at 0x8 cannot be read")
	require.Regexp(t, `(?m)^\d+ +\d+ +hot `, broken, "after the repair")
}
