// Package models checks the protocols of package smp and package cross with the
// model checker spin, all interleavings and all losses of messages included.
package models

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/stretchr/testify/require"
)

// verify runs a model to its end and returns what the checker says.
func verify(t *testing.T, model string, defines ...string) string {
	t.Helper()
	for _, tool := range []string{"spin", "gcc"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skip(tool + " is not installed; scripts/setup.sh test installs it")
		}
	}
	source, err := filepath.Abs(model)
	require.NoError(t, err)
	dir := t.TempDir()
	run := func(name string, args ...string) string {
		cmd := exec.Command(name, args...)
		cmd.Dir = dir
		out, err := cmd.CombinedOutput()
		require.NoError(t, err, "%s", out)
		return string(out)
	}
	run("spin", append(defines, "-a", source)...)
	run("gcc", "-O1", "-w", "-DSAFETY", "-o", "pan", "pan.c")
	require.FileExists(t, filepath.Join(dir, "pan"))
	return run("./pan", "-m1000000")
}

var (
	errors    = regexp.MustCompile(`errors: (\d+)`)
	truncated = regexp.MustCompile(`max search depth too small|out of memory`)
)

func TestModels(t *testing.T) {
	for _, model := range []string{"handshake.pml", "call.pml"} {
		t.Run(model, func(t *testing.T) {
			out := verify(t, model)
			require.Equal(t, "0", errors.FindStringSubmatch(out)[1], out)
			require.NotRegexp(t, truncated, out, "all of it")
			t.Log(regexp.MustCompile(`\d+ states, stored`).FindString(out))
		})
	}
}

// Negative controls: the checker finds what it is there to find.
func TestBrokenModels(t *testing.T) {
	for model, bugs := range map[string]int{"handshake.pml": 4, "call.pml": 3} {
		for bug := range bugs {
			define := fmt.Sprintf("-DBUG%d", bug+1)
			t.Run(model+define, func(t *testing.T) {
				require.NotEqual(t, "0", errors.FindStringSubmatch(verify(t, model, define))[1])
			})
		}
	}
}
