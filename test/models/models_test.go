// Package models checks protocols of several CPUs with the model checker spin: all interleavings of one boot CPU and one
// other that is started twice, and of two callers and one target, all losses of SIPIs and IPIs included. The models of the
// spinlock, of TLB flushes, futexes, idle CPUs and wake-ups during hotplug have the CPUs' store buffers.
//
// Layer: host.
// Chapter: docs/08-starting-cpus.md, docs/06-interrupts.md, docs/02-black-box.md, docs/05-memory.md, docs/09-scheduler.md,
// docs/10-system-calls.md.
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
	optimize := "-O1"
	if strings.Contains(strings.Join(defines, ""), "BUG") {
		optimize = "-O0" // the search ends soon, and the compiler takes longer than that
	}
	run("gcc", optimize, "-w", "-DSAFETY", "-o", "pan", "pan.c")
	require.FileExists(t, filepath.Join(dir, "pan"))
	return run("./pan", "-m1000000")
}

var (
	errors    = regexp.MustCompile(`errors: (\d+)`)
	truncated = regexp.MustCompile(`max search depth too small|out of memory`)
)

// correct checks models that have no fault to the end.
func correct(t *testing.T, models [][]string) {
	for _, model := range models {
		t.Run(strings.Join(model, ""), func(t *testing.T) {
			t.Parallel()
			out := verify(t, model[0], model[1:]...)
			require.Equal(t, "0", errors.FindStringSubmatch(out)[1], out)
			require.NotRegexp(t, truncated, out, "all of it")
			t.Log(regexp.MustCompile(`\d+ states, stored`).FindString(out))
		})
	}
}

func TestModels(t *testing.T) {
	correct(t, [][]string{
		{"handshake.pml"}, {"call.pml"}, {"call.pml", "-DQUIET"}, {"spin.pml"}, {"spin.pml", "-DSTOPS"},
		{"tlb.pml"}, {"futex.pml"}, {"futex.pml", "-DWAITERS=1", "-DREQUEUE"}, {"hotplug.pml"},
		{"idle.pml"},
	})
}

// broken checks models that are faulty on purpose.
func broken(t *testing.T, models [][]string) {
	for _, model := range models {
		t.Run(strings.Join(model, ""), func(t *testing.T) {
			t.Parallel()
			require.NotEqual(t, "0", errors.FindStringSubmatch(verify(t, model[0], model[1:]...))[1])
		})
	}
}

// Negative controls: the checker finds each fault. Each is a model of TestModels, with one line broken. TestSoakBrokenModels has more.
func TestBrokenModels(t *testing.T) {
	broken(t, [][]string{
		{"handshake.pml", "-DBUG1"}, {"handshake.pml", "-DBUG2"}, {"handshake.pml", "-DBUG3"}, {"handshake.pml", "-DBUG4"},
		{"call.pml", "-DQUIET", "-DBUG1"}, {"call.pml", "-DBUG2"}, {"call.pml", "-DQUIET", "-DBUG3"},
		{"spin.pml", "-DBUG1"}, {"spin.pml", "-DBUG2"}, {"spin.pml", "-DSTOPS", "-DBUG3"},
		{"tlb.pml", "-DBUG1"}, {"tlb.pml", "-DBUG4", "-DROUNDS=2"}, {"tlb.pml", "-DBUG7"},
		{"futex.pml", "-DBUG1"}, {"futex.pml", "-DBUG4"}, {"futex.pml", "-DBUG8"}, {"futex.pml", "-DBUG10"},
		{"hotplug.pml", "-DBUG1"}, {"hotplug.pml", "-DTHREADS=2", "-DBUG5"},
		{"idle.pml", "-DBUG1"}, {"idle.pml", "-DBUG4"}, {"idle.pml", "-DBUG6"},
	})
}
