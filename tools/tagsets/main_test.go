package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// tree writes a module and returns its root.
func tree(t *testing.T, files map[string]string) string {
	root := t.TempDir()
	files["go.mod"] = "module m\n\ngo 1.26\n"
	for name, text := range files {
		file := filepath.Join(root, name)
		require.NoError(t, os.MkdirAll(filepath.Dir(file), 0o755))
		require.NoError(t, os.WriteFile(file, []byte(text), 0o644))
	}
	return root
}

// low has another file under debug, high imports it, apart knows nothing of tags,
// loose imports low in its test only, and far has a test for two tags at once.
func sample(t *testing.T) string {
	return tree(t, map[string]string{
		"low/a.go":              "//go:build !debug\n\npackage low\n",
		"low/b.go":              "//go:build debug\n\npackage low\n",
		"high/a.go":             "package high\n\nimport _ \"m/low\"\n",
		"high/a_test.go":        "package high\n",
		"apart/a.go":            "package apart\n",
		"apart/a_test.go":       "package apart\n",
		"loose/a.go":            "package loose\n",
		"loose/a_test.go":       "package loose\n\nimport _ \"m/low\"\n",
		"far/a.go":              "package far\n",
		"far/a_test.go":         "//go:build qemu && soak\n\npackage far\n",
		"far/b_test.go":         "//go:build qemu\n\npackage far\n",
		"far/testdata/other.go": "//go:build nosuch\n\npackage other\n",
		"far/linux.go":          "//go:build linux && amd64\n\npackage far\n",
	})
}

func TestPlan(t *testing.T) {
	all := []string{"m/apart", "m/far", "m/high", "m/loose", "m/low"}
	runs, err := plan(sample(t), choice{}, "", nil)
	require.NoError(t, err)
	require.Equal(t, []run{
		{tags: []string{}, packages: all},
		{tags: []string{"debug"}, packages: []string{"m/high", "m/loose", "m/low"}},
		{tags: []string{"qemu"}, packages: []string{"m/far"}},
		{tags: []string{"qemu", "soak"}, packages: []string{"m/far"}},
	}, runs)

	runs, err = plan(sample(t), choice{tests: true}, "", map[string]string{"soak": "long", "m/apart": "runs nothing itself"})
	require.NoError(t, err)
	require.Equal(t, []run{
		{tags: []string{}, packages: []string{"m/high", "m/loose"}},
		{tags: []string{"debug"}, packages: []string{"m/high", "m/loose"}},
		{tags: []string{"qemu"}, packages: []string{"m/far"}},
		{tags: []string{"qemu", "soak"}, skipped: "long"},
	}, runs)

	runs, err = plan(sample(t), choice{tests: true}, "debug", nil)
	require.NoError(t, err)
	require.Equal(t, []run{{tags: []string{"debug"}, packages: []string{"m/high", "m/loose"}}}, runs)

	_, err = plan(sample(t), choice{tests: true}, "soak", nil)
	require.ErrorContains(t, err, "no such set")
	_, err = plan(sample(t), choice{tests: true}, "", map[string]string{"m/nosuch": "gone"})
	require.ErrorContains(t, err, "no such tag or package")
}

// The race detector is for packages whose tests have more than one goroutine, be it by a package that they import.
func TestGoroutines(t *testing.T) {
	root := tree(t, map[string]string{
		"low/a.go":        "package low\n\nfunc F() { go F() }\n",
		"high/a.go":       "package high\n\nimport _ \"m/low\"\n",
		"high/a_test.go":  "package high\n",
		"own/a.go":        "package own\n",
		"own/a_test.go":   "package own\n\nimport \"testing\"\n\nfunc TestX(t *testing.T) { t.Parallel() }\n",
		"user/a.go":       "package user\n\nimport _ \"m/own\"\n", // the tests of own are not in it
		"user/a_test.go":  "package user\n",
		"alone/a.go":      "package alone\n",
		"alone/a_test.go": "package alone\n",
	})
	for threads, want := range map[string][]string{"yes": {"m/high", "m/own"}, "no": {"m/alone", "m/user"}, "": {"m/alone", "m/high", "m/own", "m/user"}} {
		runs, err := plan(root, choice{tests: true, threads: threads}, "", nil)
		require.NoError(t, err)
		require.Equal(t, []run{{tags: []string{}, packages: want}}, runs)
	}
}

func TestExecute(t *testing.T) {
	require.True(t, run{packages: []string{"m/low"}}.execute([]string{"true"}))
	require.False(t, run{packages: []string{"m/low"}}.execute([]string{"false"}))
	require.True(t, run{tags: []string{"debug"}}.execute([]string{"false"}), "no package, no run")
	require.True(t, run{skipped: "why", packages: []string{"m/low"}}.execute([]string{"false"}))
}
