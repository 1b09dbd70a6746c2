//go:build qemu && soak

package test

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// Negative controls: the oracle finds kernels that leave old translations where they are.
func TestSoakTLBOracle(t *testing.T) {
	exe := build(t, "build", "./testdata/contend")
	for name, edit := range map[string]struct{ file, old, now string }{
		"no request": {"kernel/mem/tlb.go", "\t// A request without its IPI would", "\tif !lazy {\n\t\treturn\n\t}\n\t// A request without its IPI would"},
		"no page":    {"kernel/mem/posted.go", "\t\tinvalidate(c, va)\n", ""},
		"not late":   {"kernel/mem/tlb.go", "\tif c.FlushLate.Load() != 0 {\n", "\tif c.FlushLate.Load() == 2 {\n"},
	} {
		t.Run(name, func(t *testing.T) {
			r := tlbOracle(t, exe, kernelWith(t, edit.file, edit.old, edit.now), 1)
			r.matches(`contend: tlb: \w+: page \d+ of \d+ `)
		})
	}
}

// kernelWith builds the kernel with one edit of a file, and returns its file.
func kernelWith(t *testing.T, file, old, now string) string {
	t.Helper()
	dir := t.TempDir()
	tree, err := filepath.Abs(root)
	require.NoError(t, err)
	text, err := os.ReadFile(filepath.Join(tree, file))
	require.NoError(t, err)
	require.Equal(t, 1, strings.Count(string(text), old))
	edited := filepath.Join(dir, filepath.Base(file))
	require.NoError(t, os.WriteFile(edited, []byte(strings.Replace(string(text), old, now, 1)), 0o644))
	list, err := json.Marshal(map[string]any{"Replace": map[string]string{filepath.Join(tree, file): edited}})
	require.NoError(t, err)
	over := filepath.Join(dir, "overlay.json")
	require.NoError(t, os.WriteFile(over, list, 0o644))
	cmd := exec.Command("make", "-C", tree, "build", "BUILD="+dir)
	cmd.Env = append(os.Environ(), "GOFLAGS=-overlay="+over)
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)
	return filepath.Join(dir, "kernel.elf")
}
