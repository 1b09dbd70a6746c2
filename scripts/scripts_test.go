// Package scripts tests the shell scripts of this folder without a machine: a
// program that prints its arguments stands for QEMU.
//
// Layer: host.
// Chapter: docs/12-shell-and-tests.md.
package scripts

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"muster/kernel/options"
)

// tree copies the scripts to a folder of their own, with an empty kernel and a QEMU
// that prints its arguments, one a line. change is applied to each script's text.
func tree(t *testing.T, change func(text string) string) (dir string) {
	t.Helper()
	dir = t.TempDir()
	for _, d := range []string{"scripts", "build"} {
		require.NoError(t, os.Mkdir(filepath.Join(dir, d), 0o755))
	}
	files, err := filepath.Glob("*.sh")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, f := range files {
		text, err := os.ReadFile(f)
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(filepath.Join(dir, "scripts", f), []byte(change(string(text))), 0o755))
	}
	require.NoError(t, os.WriteFile(filepath.Join(dir, "build", "kernel.elf"), nil, 0o644))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "qemu"), []byte("#!/bin/sh\nprintf '%s\\n' \"$@\"\n"), 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "program"), []byte("\x7fELF"), 0o755))
	return dir
}

// qemuRun runs the tree's qemu-run.sh.
func qemuRun(t *testing.T, dir string, args ...string) (status int, out, errs string) {
	t.Helper()
	cmd := exec.Command(filepath.Join(dir, "scripts", "qemu-run.sh"), args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "QEMU="+filepath.Join(dir, "qemu"))
	var o, e strings.Builder
	cmd.Stdout, cmd.Stderr = &o, &e
	if err := cmd.Run(); err != nil {
		require.IsType(t, &exec.ExitError{}, err)
	}
	return cmd.ProcessState.ExitCode(), o.String(), e.String()
}

// commandLine returns what the kernel reads from the command line that QEMU got.
func commandLine(t *testing.T, out string) options.Options {
	t.Helper()
	words := strings.Split(out, "\n")
	i := slices.Index(words, "-append")
	require.GreaterOrEqual(t, i, 0, out)
	o, problems := options.Parse(words[i+1])
	require.Empty(t, problems)
	return o
}

// odd are arguments that a shell or one of its commands could take for something else.
var odd = []string{"-n", "-e", "-E", "-neE", "--", "-", "", " ", "a b", `\n`, `\\`, `"`, "'", "*", "~", "$HOME", "`id`", "näh", "a\nb", "\n", "%", "100%41", "=", "#x"}

// Every argument and variable reaches the program's command line.
func TestProgramArguments(t *testing.T) {
	dir := tree(t, func(text string) string { return text })
	all := append([]string{"--boot", "pvh", "--accel", "tcg", "--env", "A=-n", "--env", "B=-e -E", "--app", "program"}, odd...)
	_, out, errs := qemuRun(t, dir, all...)
	o := commandLine(t, out)
	require.Equal(t, odd, o.Args, errs)
	require.Equal(t, []string{"A=-n", "B=-e -E"}, o.Env)
	require.Equal(t, "program", o.App)
}

// The negative control: with echo in place of printf the arguments -n, -e and -E are lost.
func TestEchoLosesArguments(t *testing.T) {
	dir := tree(t, func(text string) string { return strings.ReplaceAll(text, `printf '%s\n' "$out"`, `echo "$out"`) })
	_, out, _ := qemuRun(t, dir, append([]string{"--boot", "pvh", "--accel", "tcg", "--app", "program"}, odd...)...)
	require.NotEqual(t, odd, commandLine(t, out).Args)
}

// A program whose name looks like an option is a program.
func TestProgramNamedLikeAnOption(t *testing.T) {
	dir := tree(t, func(text string) string { return text })
	require.NoError(t, os.WriteFile(filepath.Join(dir, "-n"), []byte("\x7fELF"), 0o755))
	_, out, errs := qemuRun(t, dir, "--boot", "pvh", "--accel", "tcg", "--app", "-n", "x")
	require.Equal(t, "-n", commandLine(t, out).App, errs)
}

// eaten finds an echo that may take the value of a variable for an option of its own.
var eaten = regexp.MustCompile(`\becho\s+(-[neE]+\s+)*["']?\$`)

func TestNoEchoOfVariables(t *testing.T) {
	for _, bad := range []string{`echo "$out"`, `echo $answer >"$key"`, `x=$(echo -n "$line" | wc)`} {
		require.Regexp(t, eaten, bad, "the pattern finds what it is for")
	}
	files, err := filepath.Glob("*.sh")
	require.NoError(t, err)
	for _, f := range files {
		text, err := os.ReadFile(f)
		require.NoError(t, err)
		for i, line := range strings.Split(string(text), "\n") {
			require.NotRegexp(t, eaten, line, "%s:%d: printf '%%s\\n' prints any value", f, i+1)
		}
	}
}
