//go:build qemu

package test

import (
	"fmt"
	"os/exec"
	"testing"

	"github.com/stretchr/testify/require"
)

// What system calls about futexes, signals, timers, clocks and threads answer is what
// the Linux that runs this test answers.
func TestSignalsAndTime(t *testing.T) {
	exe := build(t, "build", "./testdata/sigtime")
	host, err := exec.Command(exe).Output()
	require.NoError(t, err)
	for _, kernel := range []string{"kernel.elf", "kernel-debug.elf"} {
		for _, cpus := range []string{"1", "2", "4"} {
			if !long && kernel+cpus != "kernel.elf4" && kernel+cpus != "kernel-debug.elf1" {
				continue
			}
			t.Run(kernel+" "+cpus, func(t *testing.T) {
				r := runApp(t, exe, nil, "--kernel", root+"/build/"+kernel, "--cpus", cpus, "--mem", "256", "--append", "loglevel=4")
				require.Zero(t, r.status)
				r.has(string(host))
			})
		}
	}
}

// An unmodified Go program takes a CPU profile of itself.
func TestProfile(t *testing.T) {
	exe := build(t, "build", "./testdata/profile")
	host, err := exec.Command(exe).Output()
	require.NoError(t, err)
	require.NotContains(t, string(host), "false")
	for _, cpus := range []string{"1", "2", "4"} {
		t.Run(cpus, func(t *testing.T) {
			r := runApp(t, exe, nil, "--cpus", cpus, "--mem", "256", "--append", "loglevel=4")
			require.Zero(t, r.status)
			for _, line := range []string{"enough samples", "most are in hot", "none is in cold"} {
				r.has("profile: " + line + ": true")
			}
		})
	}
}

// Threads end while timers fire for them, and while other threads set the timers anew and delete them.
func TestTimersOfEndingThreads(t *testing.T) {
	exe := build(t, "build", "./testdata/timerrace")
	r := runApp(t, exe, []string{"-time", fmt.Sprintf("%ds", length(2, 60))}, "--kernel", root+"/build/kernel-debug.elf", "--cpus", "4", "--mem", "256", "--timeout", "150")
	require.Zero(t, r.status)
	r.has("timerrace: timers, threads and signals: true")
}
