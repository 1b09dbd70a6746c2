//go:build soak

package mutants

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"muster/tools/patience"
)

// A test that hangs on a mutant has noticed it, too, after this time.
func limit() string { return fmt.Sprintf("-timeout=%v", patience.For(3*time.Minute)) }

// goTest runs tests, on the tree with a file overlaid if there is one.
func goTest(overlay string, args ...string) (output string, passed bool) {
	list := []string{"test", "-count=1", limit()}
	if overlay != "" {
		list = append(list, "-overlay="+overlay)
	}
	cmd := exec.Command("go", append(list, args...)...)
	cmd.Dir = root
	out, err := cmd.CombinedOutput()
	return string(out), err == nil
}

// overlay writes the edited file of a mutant, and the list that puts it over the tree's.
func overlay(t *testing.T, m mutant) string {
	t.Helper()
	dir := t.TempDir()
	edited := filepath.Join(dir, filepath.Base(m.file))
	require.NoError(t, os.WriteFile(edited, []byte(m.edit(t)), 0o644))
	original, err := filepath.Abs(filepath.Join(root, m.file))
	require.NoError(t, err)
	list, err := json.Marshal(map[string]any{"Replace": map[string]string{original: edited}})
	require.NoError(t, err)
	path := filepath.Join(dir, "overlay.json")
	require.NoError(t, os.WriteFile(path, list, 0o644))
	return path
}

// TestSoakMutants requires that the tests of each mutant pass on the tree as it is, and
// fail on the mutant, which compiles.
func TestSoakMutants(t *testing.T) {
	passed := map[string]bool{} // on the tree as it is
	killed := 0
	for _, m := range mutants {
		t.Run(m.name, func(t *testing.T) {
			args := strings.Fields(m.tests)
			if !passed[m.tests] {
				out, ok := goTest("", args...)
				require.True(t, ok, "go test %s, on the tree as it is:\n%s", m.tests, out)
				passed[m.tests] = true
			}
			over := overlay(t, m)
			out, ok := goTest(over, append([]string{"-exec=true", "-vet=off"}, args...)...) // builds, and runs nothing
			require.True(t, ok, "does not compile:\n%s", out)
			began := time.Now()
			_, ok = goTest(over, append([]string{"-vet=off"}, args...)...)
			require.False(t, ok, "survives go test %s:\n%s:\n%s", m.tests, m.file, diff(m))
			t.Logf("killed in %v", time.Since(began).Round(time.Second/10))
			killed++
		})
	}
	t.Logf("%d of %d mutants killed", killed, len(mutants))
}

// Negative control: an edit of a comment survives. So a mutant is not killed because its
// file is overlaid.
func TestSoakMutantsHarmless(t *testing.T) {
	m := mutant{name: "a comment", file: "kernel/list/list.go",
		old: "// Push puts k on top.", new: "// Push puts k on the top.", tests: hostList}
	out, ok := goTest(overlay(t, m), strings.Fields(m.tests)...)
	require.True(t, ok, out)
}

// diff shows an edit.
func diff(m mutant) string {
	lines := func(sign, text string) (out string) {
		for line := range strings.Lines(strings.TrimSuffix(text, "\n")) {
			out += fmt.Sprintf("%s %s\n", sign, strings.TrimSuffix(line, "\n"))
		}
		return out
	}
	return lines("-", m.old) + lines("+", m.new)
}
