//go:build qemu

package test

import (
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// filesFacts is what Linux prints for testdata/files.
func filesFacts(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("testdata/files/linux.txt")
	require.NoError(t, err)
	return string(text)
}

// The expected facts are those of Linux, on which this test runs, too.
func TestFilesOnLinux(t *testing.T) {
	out, err := exec.Command(build(t, "build", "./testdata/files"), "facts").Output()
	require.NoError(t, err)
	require.Equal(t, filesFacts(t), string(out))
}

// machines are those on which the tests of files run.
var machines = map[string][]string{
	"1 CPU":  {"--cpus", "1"},
	"2 CPUs": {"--cpus", "2"},
	"4 CPUs": {"--cpus", "4"},
	"debug":  {"--cpus", "4", "--kernel", root + "/build/kernel-debug.elf"},
}

// Pipes, eventfds, epolls, descriptors, poll and select answer as Linux does.
func TestFiles(t *testing.T) {
	exe := build(t, "build", "./testdata/files")
	for name, options := range machines {
		t.Run(name, func(t *testing.T) {
			r := runApp(t, exe, []string{"facts"}, append(options, "--mem", "256", "--timeout", "60")...).ok()
			require.Equal(t, filesFacts(t), r.out)
		})
	}
}

// Threads close, duplicate and watch what other threads use. Every call returns, and
// the memory of all files comes back: a second program leaves no more than the first.
func TestFilesStorm(t *testing.T) {
	t.Parallel()
	exe := build(t, "build", "./testdata/files")
	for name, options := range machines {
		t.Run(name, func(t *testing.T) {
			r := boot(t, append(slices.Clone(options), "--mem", "256", "--timeout", "120", "--append", "rounds=2", "--app", exe, "storm")...).ok()
			require.Equal(t, 2, strings.Count(r.out, "files: enough calls\nfiles: still here\n"))
			r.lacks("PANIC")
			require.NoError(t, leaves(r.log, 2, 100))
		})
	}
}
