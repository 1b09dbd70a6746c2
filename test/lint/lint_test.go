// Package lint checks that scripts/lint.sh fails on each kind of finding.
//
// Layer: host tests.
// Chapter: docs/12-shell-and-tests.md.
package lint

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const root = "../.."

// small makes a module with the real script, its settings and its tools, and one
// program in which nothing is wrong.
func small(t *testing.T) (dir string) {
	t.Helper()
	dir = t.TempDir()
	files := []string{"go.mod", "go.sum", "staticcheck.conf", "scripts/lint.sh"}
	for _, tool := range []string{"tagsets", "unreached", "waits"} {
		all, err := filepath.Glob(filepath.Join(root, "tools", tool, "*.go"))
		require.NoError(t, err)
		for _, f := range all {
			if !strings.HasSuffix(f, "_test.go") {
				files = append(files, filepath.Join("tools", tool, filepath.Base(f)))
			}
		}
	}
	for _, f := range files {
		text, err := os.ReadFile(filepath.Join(root, f))
		require.NoError(t, err)
		write(t, dir, f, string(text))
	}
	require.NoError(t, os.Chmod(filepath.Join(dir, "scripts/lint.sh"), 0o755))
	write(t, dir, "prog/main.go", "// Command prog says a word.\npackage main\n\nfunc main() { say() }\n\nfunc say() { println(\"word\") }\n")
	return dir
}

func write(t *testing.T, dir, name, text string) {
	t.Helper()
	file := filepath.Join(dir, name)
	require.NoError(t, os.MkdirAll(filepath.Dir(file), 0o755))
	require.NoError(t, os.WriteFile(file, []byte(text), 0o644))
}

// lint runs the script.
func lint(t *testing.T, dir string, checks ...string) (out string, ok bool) {
	t.Helper()
	cmd := exec.Command(filepath.Join(dir, "scripts/lint.sh"), checks...)
	cmd.Env = append(os.Environ(), "GIT_CEILING_DIRECTORIES="+filepath.Dir(dir))
	text, err := cmd.CombinedOutput()
	if err != nil {
		require.IsType(t, &exec.ExitError{}, err)
	}
	return string(text), err == nil
}

func TestFindings(t *testing.T) {
	dir := small(t)
	out, ok := lint(t, dir)
	require.True(t, ok, out)
	require.Contains(t, out, "not in a clone")

	// One finding for each check, and for staticcheck one under a build tag, too.
	for file, tc := range map[string]struct{ check, text, want string }{
		"prog/a.go":          {"staticcheck", "package main\n\nfunc init() { x := 1; x = x }\n", "self-assignment of x to x (SA4018)"},
		"prog/b.go":          {"staticcheck", "//go:build odd\n\npackage main\n\nfunc init() { x := 1; x = x }\n", "b.go:5:23: self-assignment of x to x (SA4018)"},
		"prog/c.go":          {"unreached", "package main\n\nfunc unused() {}\n", "prog/c.go:3: unused is never called"},
		"tools/waits/now.go": {"waits", "package main\n\nimport \"time\"\n\nfunc init() { time.Sleep(0) }\n", "tools/waits/now.go:5: time.Sleep"},
		"scripts/gdb/a.py":   {"python", "x = 1\ndef f(:\n", "scripts/gdb/a.py:2: invalid syntax"},
	} {
		if _, err := exec.LookPath("python3"); err != nil && tc.check == "python" {
			continue
		}
		write(t, dir, file, tc.text)
		out, ok := lint(t, dir, tc.check)
		require.False(t, ok, file)
		require.Contains(t, out, tc.want)
		require.Contains(t, out, "lint.sh: findings of: "+tc.check)
		require.NoError(t, os.Remove(filepath.Join(dir, file)))
	}
	out, ok = lint(t, dir, "nosuch")
	require.False(t, ok)
	require.Contains(t, out, "no such check")
}

// A subject has at most 72 characters, each of one or more bytes. The check leaves out
// commits from before the rule, and merges.
func TestSubjects(t *testing.T) {
	dir := small(t)
	git := func(args ...string) {
		cmd := exec.Command("git", append([]string{"-c", "user.name=N", "-c", "user.email=n@example.org"}, args...)...)
		cmd.Dir = dir
		out, err := cmd.CombinedOutput()
		require.NoError(t, err, "%s", out)
	}
	commit := func(year, subject string) {
		git("commit", "-q", "--allow-empty", "--date="+year+"-01-01T00:00:00Z", "-m", subject)
	}
	git("init", "-q", "-b", "main")
	commit("2026", "old: "+strings.Repeat("x", 100))
	commit("2040", "new: "+strings.Repeat("é", 67))
	out, ok := lint(t, dir, "subjects")
	require.True(t, ok, out)
	require.Contains(t, out, "subjects: 1 commits checked")

	shallow := t.TempDir()
	git("clone", "-q", "--depth", "1", "file://"+dir, shallow)
	require.NoError(t, os.CopyFS(filepath.Join(shallow, "scripts"), os.DirFS(filepath.Join(dir, "scripts"))))
	out, ok = lint(t, shallow, "subjects")
	require.True(t, ok, out)
	require.Contains(t, out, "subjects: 1 commits checked")

	commit("2040", "new: "+strings.Repeat("é", 68))
	commit("2040", "after")
	out, ok = lint(t, dir, "subjects")
	require.False(t, ok)
	require.Contains(t, out, "the subject has 73 characters, 72 are the limit: new: é")
	require.Equal(t, 1, strings.Count(out, "are the limit"))
}
