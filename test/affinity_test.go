//go:build qemu

package test

import (
	"fmt"
	"os/exec"
	"testing"

	"github.com/stretchr/testify/require"
)

// The program that binds threads expects of Linux, on which this test runs, what it expects of Muster.
func TestAffinityOnLinux(t *testing.T) {
	t.Parallel()
	out, err := exec.Command(build(t, "build", "./testdata/affinity")).Output()
	require.NoError(t, err)
	require.Regexp(t, `^affinity: passed: true on \d+ CPUs\n$`, string(out))
}

// Threads of a program that compute, wait for a CPU and sleep go to the CPUs to which another thread binds them, and new ones
// have the set of their maker.
func TestAffinity(t *testing.T) {
	exe := build(t, "build", "./testdata/affinity")
	for name, options := range map[string][]string{
		"4 CPUs":    nil,
		"debug":     {"--kernel", root + "/build/kernel-debug.elf"},
		"lost IPIs": {"--append", "fault=ipi:drop=1/7"},
		"70 CPUs":   {"--cpus", "70", "--mem", "1024"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := runApp(t, exe, nil, append([]string{"--mem", "512", "--timeout", "100"}, options...)...).ok()
			r.matches(`(?m)^affinity: passed: true on \d+ CPUs\r?$`)
		})
	}
}

// CPUs go offline and come back under threads that are bound to them: each thread goes on.
func TestAffinityUnderHotplug(t *testing.T) {
	t.Parallel()
	seconds := length(4, 30)
	image := stick(t, build(t, "build", "./testdata/affinity"), map[string]string{
		"muster.cfg": text(t, fmt.Sprintf("run=\"run affinity %d &; test hotplug %d; wait; test cpus\"\n", seconds, seconds))})
	r := boot(t, "--boot", "bios", "--image", image, "--cpus", "4", "--mem", "512").ok()
	r.matches(`affinity: changes [1-9]\d`).has("affinity: passed: true", "ok   hotplug", "ok   cpus")
}
