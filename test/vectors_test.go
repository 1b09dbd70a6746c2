//go:build qemu

package test

import (
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// x87 and vector state survive system calls of each kind, preemption and signals, and a
// new thread has its parent's. The program passes on the host's Linux as well.
func TestVectorState(t *testing.T) {
	exe := build(t, "build", "./testdata/vectors")
	out, err := exec.Command(exe).CombinedOutput()
	require.NoError(t, err, "on Linux: %s", out)
	for model, components := range map[string]string{"max": "0x7", "max,-avx": "0x3"} {
		for _, cpus := range []string{"1", "4"} {
			t.Run(model+" "+cpus, func(t *testing.T) {
				runApp(t, exe, nil, "--cpus", cpus, "--cpu", model, "--timeout", "120").ok().
					has("vectors: state kept, components " + components + ", 13 kinds of calls\n")
			})
		}
	}
}

// A C program, whose compiler keeps numbers in XMM and YMM registers over system calls.
func TestVectorStateOfC(t *testing.T) {
	exe := buildC(t, "hold", "-O2", "-mavx")
	runApp(t, exe, nil).ok().has("hold: 2000 2001 2002 2003 2004 2005 2006 2007 1000 2000 4000 6000 8000\n")
}

// The end of a handler takes the alternate stack back from the frame, as on Linux.
func TestAlternateStackComesBack(t *testing.T) {
	exe := buildC(t, "altstack")
	want, err := exec.Command(exe).Output()
	require.NoError(t, err, "on Linux")
	runApp(t, exe, nil).ok().has(string(want))
}

// The handler of the SIGSEGV for an rt_sigreturn without a frame finds all registers of the call, as on Linux.
func TestRegistersOfBadReturn(t *testing.T) {
	exe := buildC(t, "badframe")
	want, err := exec.Command(exe).Output()
	require.NoError(t, err, "on Linux")
	runApp(t, exe, nil).ok().has(string(want))
}

// buildC builds a program of testdata/c, and skips the test if there is no compiler.
func buildC(t *testing.T, name string, flags ...string) (exe string) {
	if _, err := exec.LookPath("gcc"); err != nil {
		t.Skip("there is no gcc on this machine")
	}
	exe = filepath.Join(t.TempDir(), name)
	out, err := exec.Command("gcc", append(flags, "-static", "-no-pie", "-o", exe, "testdata/c/"+name+".c")...).CombinedOutput()
	require.NoError(t, err, "%s", out)
	return exe
}
