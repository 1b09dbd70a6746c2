// Package models checks the protocols of packages smp, cross and lock with the
// model checker spin: all interleavings of one boot CPU and one other that is started
// twice, and of two callers and one target, all losses of SIPIs and IPIs included; and of three
// CPUs that take a lock, with their store buffers.
//
// Layer: host.
// Chapter: docs/08-starting-cpus.md, docs/06-interrupts.md, docs/02-black-box.md.
package models

import (
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
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
	for _, model := range [][]string{{"handshake.pml"}, {"call.pml"}, {"call.pml", "-DQUIET"}, {"spin.pml"}, {"spin.pml", "-DSTOPS"}} {
		t.Run(strings.Join(model, ""), func(t *testing.T) {
			out := verify(t, model[0], model[1:]...)
			require.Equal(t, "0", errors.FindStringSubmatch(out)[1], out)
			require.NotRegexp(t, truncated, out, "all of it")
			t.Log(regexp.MustCompile(`\d+ states, stored`).FindString(out))
		})
	}
}

// Negative controls: the checker finds each fault. Each is a model of
// TestModels, with one line broken.
func TestBrokenModels(t *testing.T) {
	for _, model := range [][]string{
		{"handshake.pml", "-DBUG1"}, {"handshake.pml", "-DBUG2"}, {"handshake.pml", "-DBUG3"}, {"handshake.pml", "-DBUG4"},
		{"call.pml", "-DQUIET", "-DBUG1"}, {"call.pml", "-DBUG2"}, {"call.pml", "-DQUIET", "-DBUG3"},
		{"spin.pml", "-DBUG1"}, {"spin.pml", "-DBUG2"}, {"spin.pml", "-DSTOPS", "-DBUG3"},
	} {
		t.Run(strings.Join(model, ""), func(t *testing.T) {
			require.NotEqual(t, "0", errors.FindStringSubmatch(verify(t, model[0], model[1:]...))[1])
		})
	}
}
