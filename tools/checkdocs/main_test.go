package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// Negative control: a tree in which each kind of reference is right once and wrong once.
func TestCheck(t *testing.T) {
	root := t.TempDir()
	write := func(name, text string) {
		file := filepath.Join(root, name)
		require.NoError(t, os.MkdirAll(filepath.Dir(file), 0o755))
		require.NoError(t, os.WriteFile(file, []byte(text), 0o644))
	}
	write("Makefile", "test:\n\ttrue\n")
	write("README.md", "See [the map](docs/a.md) and [nothing](docs/none.md). `make test`, `make tea`.\n")
	write("kernel/x/a.go", "// Package x is.\n//\n// Chapter: docs/a.md.\npackage x\ntype T int\nfunc (t *T) M() {}\nfunc F() {}\nconst C = 1\n")
	write("kernel/x/b.go", "// docs/gone.md\npackage x\n")
	write("kernel/x/a.s", "TEXT ·entry(SB), 4, $0\n")
	write("docs/a.md", "Files: kernel/x/a.go, kernel/x/none.go\n\n`kernel/x/a.go:F` `kernel/x/a.go:T.M` `kernel/x/a.go:C` `kernel/x/a.s:entry` `kernel/x/a.go`\n"+
		"`kernel/x/a.go:G` `kernel/x/a.go:M` `kernel/x/a.s:exit` `kernel/x/c.go:F`\n")
	findings, n, err := check(root)
	require.NoError(t, err)
	require.Equal(t, 17, n)
	require.ElementsMatch(t, []string{
		"README.md: link to docs/none.md, which does not exist",
		"README.md: the Makefile has no target tea",
		"docs/a.md: Files: kernel/x/none.go does not exist",
		"docs/a.md: kernel/x/a.go has no G",
		"docs/a.md: kernel/x/a.go has no M",
		"docs/a.md: kernel/x/a.s has no exit",
		"docs/a.md: kernel/x/c.go does not exist",
		filepath.Join(root, "kernel/x/b.go") + ": docs/gone.md does not exist",
	}, findings, strings.Join(findings, "\n"))
}

// The map's walks pass each file once; a file that is named again is found.
func TestWalks(t *testing.T) {
	page, err := os.ReadFile("../../docs/00-map.md")
	require.NoError(t, err)
	require.Len(t, walk.FindAllString(string(page), -1), 5)
	require.Empty(t, walks(string(page)))
	last := strings.LastIndex(string(page), "\n\n## The chapters")
	again := string(page[:last]) + "\n15. `kernel/sched/park.go:Park`\n" + string(page[last:])
	require.Equal(t, []string{`walk "one futex wake" passes kernel/sched/park.go twice`}, walks(again))
	require.Equal(t, []string{`walk "of nothing" passes no file`}, walks("### Walk: of nothing\n\n1. Go.\n\n## Next\n"))
}
