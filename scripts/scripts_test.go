// Package scripts tests the shell scripts of this folder without a machine: a
// program that prints its arguments stands for QEMU.
//
// Layer: host.
// Chapter: docs/12-shell-and-tests.md.
package scripts

import (
	"context"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"muster/kernel/options"
	"muster/tools/patience"
)

// tree copies the scripts to a folder of their own, with an empty kernel and a QEMU
// that prints its arguments, one in each line. change is applied to each script's
// text.
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
	if slices.Contains(args, "--app") { // what QEMU prints is not the program's output
		require.Empty(t, o.String())
		return cmd.ProcessState.ExitCode(), e.String(), e.String()
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

// odd are arguments that a shell or one of its commands could misread.
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

// The commands of --run reach the kernel as they are, quotes and all.
func TestCommands(t *testing.T) {
	dir := tree(t, func(text string) string { return text })
	_, out, errs := qemuRun(t, dir, "--boot", "pvh", "--accel", "tcg", "--run", `a "b;c" 'd"e' \; -n; -e`)
	require.Equal(t, []string{`a "b;c" 'd"e' \; -n`, "-e"}, commandLine(t, out).Run, errs)
}

// KVM that cannot be used is refused with what to do.
func TestNoKVM(t *testing.T) {
	dir := tree(t, func(text string) string { return text })
	t.Setenv("KVM", filepath.Join(dir, "kvm"))
	status, _, errs := qemuRun(t, dir, "--boot", "pvh", "--accel", "kvm")
	require.Equal(t, 2, status)
	require.Contains(t, errs, "/kvm does not exist: the host's CPU or firmware has virtualization off")
	require.NoError(t, os.Mkdir(filepath.Join(dir, "kvm"), 0o755)) // not even root opens a folder to write
	status, _, errs = qemuRun(t, dir, "--boot", "pvh", "--accel", "kvm")
	require.Equal(t, 2, status)
	require.Contains(t, errs, "/kvm cannot be opened; a user of group kvm can")
	require.Contains(t, errs, "; --accel tcg works everywhere\n")
	status, _, errs = qemuRun(t, dir, "--boot", "pvh", "--accel", "auto")
	require.Zero(t, status, errs)

	device := filepath.Join(dir, "device")
	require.NoError(t, os.WriteFile(device, nil, 0o644))
	t.Setenv("KVM", device)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "qemu"), []byte("#!/bin/sh\nexit 134\n"), 0o755)) // as QEMU when KVM refuses something
	status, _, errs = qemuRun(t, dir, "--boot", "pvh", "--accel", "kvm")
	require.Equal(t, 125, status)
	require.Contains(t, errs, "QEMU ended with status 134; it used KVM, and --accel tcg works everywhere\n")
}

// qemu-run.sh refuses a file that cannot be started, with the status of a program
// that was not started, before a machine boots. It refuses numbers that bash would
// misread, too.
func TestRefusals(t *testing.T) {
	dir := tree(t, func(text string) string { return text })
	require.NoError(t, os.WriteFile(filepath.Join(dir, "empty"), nil, 0o644))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "small"), []byte("a file"), 0o644))
	large, err := os.Create(filepath.Join(dir, "large"))
	require.NoError(t, err)
	require.NoError(t, large.Truncate(300<<20))
	require.NoError(t, large.Close())
	for _, tc := range []struct {
		args   []string
		status int
		want   string
	}{
		{[]string{"--app", "empty"}, 127, "--app empty not started: the file is empty; give a static Linux program for x86-64"},
		{[]string{"--app", "large"}, 127, "--app large not started: the file has 300 MiB and the machine 256 MiB of memory; --mem gives it more"},
		{[]string{"--app", "build"}, 2, "--app build: a directory, not a program"},
		{[]string{"--app", "/dev/null"}, 2, "--app /dev/null: not a file that can be read"},
		{[]string{"--log", "log"}, 2, "--log needs --app: without a program the console is standard output"},
		{[]string{"--log", "", "--app", "small"}, 2, "--log: the name of the file is empty"},
		{[]string{"--log", "nosuch/log", "--app", "small"}, 2, "--log nosuch/log: cannot be written"},
		{[]string{"--log", "build", "--app", "small"}, 2, "--log build: cannot be written"},
		{[]string{"--app", ""}, 2, "--app: the name of the file is empty"},
		{[]string{"--app", "nosuch"}, 2, "--app nosuch: no such file"},
		{[]string{"--cpus", "18446744073709551617"}, 2, "--cpus 18446744073709551617: not a number from 1 to 4096"},
		{[]string{"--cpus", "1", "--env", "BIG=" + strings.Repeat("x", 20000), "--app", "small", "a b"}, 2,
			"the kernel command line has 20067 bytes, and --boot pvh passes on at most 4095; --env BIG alone has 20004"},
		{[]string{"--cpus", "1", "--app", "small", "x", strings.Repeat("\u00fc", 2000)}, 2,
			"the kernel command line has 12059 bytes, and --boot pvh passes on at most 4095; one argument of the program alone has 4000"},
		{[]string{"--cpus", "1", "--append", strings.Repeat("x", 4096)}, 2,
			"the kernel command line has 4096 bytes, and --boot pvh passes on at most 4095; --append alone has 4096"},
		{[]string{"--cpus", "1", "--boot", "bios", "--run", strings.Repeat("x", 9000)}, 2,
			"the kernel command line has 9006 bytes, and --boot bios passes on at most 8191; --run alone has 9000"},
		{[]string{"--env", "A=b"}, 2, "--env needs --app: without a program nothing reads it"},
		{[]string{"--mem", "63"}, 2, "--mem 63: not a number from 64 to 4194304"},
		{[]string{"--cpus", "08"}, 2, "--cpus 08: not a number from 1 to 4096"},
	} {
		status, out, errs := qemuRun(t, dir, append([]string{"--boot", "pvh", "--accel", "tcg"}, tc.args...)...)
		require.Equal(t, "qemu-run.sh: "+tc.want+"\n", errs)
		require.Equal(t, tc.status, status)
		if !slices.Contains(tc.args, "--app") {
			require.Empty(t, out)
		}
	}
	_, out, errs := qemuRun(t, dir, "--boot", "pvh", "--accel", "tcg", "--mem", "301", "--app", "large")
	require.Contains(t, out, "-initrd\nlarge\n", errs)
}

// Streams that the caller has closed are an empty input, and outputs that take all.
func TestClosedStreams(t *testing.T) {
	dir := tree(t, func(text string) string { return text })
	for _, closed := range []string{"<&-", ">&-", "<&- >&-"} {
		cmd := exec.Command("bash", "-c", "scripts/qemu-run.sh --boot pvh --accel tcg --log log --app program "+closed)
		cmd.Dir = dir
		cmd.Env = append(os.Environ(), "QEMU="+filepath.Join(dir, "qemu"))
		var errs strings.Builder
		cmd.Stderr = &errs
		_ = cmd.Run() // this QEMU leaves no status
		require.NotContains(t, errs.String(), "Bad file descriptor", closed)
		require.Contains(t, errs.String(), "the guest reset without a status", closed)
		require.Contains(t, errs.String(), "the kernel's log is in log", closed)
	}
}

// eaten finds an echo that may misread the value of a variable as an option.
var eaten = regexp.MustCompile(`\becho\s+(-[neE]+\s+)*["']?\$`)

func TestNoEchoOfVariables(t *testing.T) {
	for _, bad := range []string{`echo "$out"`, `echo $answer >"$key"`, `x=$(echo -n "$line" | wc)`} {
		require.Regexp(t, eaten, bad, "the pattern finds a bad line")
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

// The machine that gdb.sh starts has a session of its own, so that control-C at the terminal
// stops the kernel in gdb and does not end QEMU. The machine here only says which it has.
func TestDebuggersMachine(t *testing.T) {
	if c, err := net.Dial("tcp", "localhost:1234"); err == nil {
		c.Close()
		t.Skip("something listens at port 1234")
	}
	dir := t.TempDir()
	script, err := os.ReadFile("gdb.sh")
	require.NoError(t, err)
	for name, text := range map[string]string{
		"scripts/gdb.sh":      string(script),
		"scripts/qemu-run.sh": "#!/bin/bash\nread -ra stat </proc/$$/stat\necho \"process $$ session ${stat[5]}\" >\"${0%/*}/../said\"\nexec sleep 60\n",
		"bin/gdb":             "#!/bin/bash\nuntil [[ -s " + dir + "/said ]]; do sleep 0.05; done\n",
		"build/kernel.elf":    "",
	} {
		file := filepath.Join(dir, name)
		require.NoError(t, os.MkdirAll(filepath.Dir(file), 0o755))
		require.NoError(t, os.WriteFile(file, []byte(text), 0o755))
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience.For(30*time.Second))
	defer cancel()
	cmd := patience.Command(ctx, filepath.Join(dir, "scripts", "gdb.sh"))
	cmd.Env = append(cmd.Environ(), "PATH="+filepath.Join(dir, "bin")+":"+os.Getenv("PATH"))
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)
	said, err := os.ReadFile(filepath.Join(dir, "said"))
	require.NoError(t, err)
	words := strings.Fields(string(said))
	require.Len(t, words, 4)
	require.Equal(t, words[1], words[3])
}
