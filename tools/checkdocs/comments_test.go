package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// Negative control: each kind of name is there once, and gone once.
func TestComments(t *testing.T) {
	root := t.TempDir()
	write := func(name, text string) {
		file := filepath.Join(root, name)
		require.NoError(t, os.MkdirAll(filepath.Dir(file), 0o755))
		require.NoError(t, os.WriteFile(file, []byte(text), 0o644))
	}
	write("x/a.go", `// Package x has y.Second, and y.Third; x.runQueue, and x.runList.
//
// Manual: the MultiCore manual.
package x

import "y"

// runQueue is filled by runLocal and goneLocal. "A wordFromElsewhere", /proc/selfStat, http://a.example/someThing.
var runQueue = y.Second

func runLocal(q *lock) { q.mu++ } // guarded by q.mu and old.mu

type lock struct{ mu int }

const text = "symbolOfJSON"

// symbolOfJSON is in a string.
`)
	write("y/a.go", "package y\n\nvar Second int\n")
	write("y/a.s", "TEXT ·fromAsm(SB), 4, $0\n\tNOP // as fromAsm, goneAsm\n\tNOP //| movThis\n")
	findings, n, err := comments(root)
	require.NoError(t, err)
	for i, f := range findings {
		findings[i] = strings.TrimPrefix(f, root+"/")
	}
	require.ElementsMatch(t, []string{
		"x/a.go:1:1: package y has no Third",
		"x/a.go:1:1: package x has no runList",
		"x/a.go:1:1: nothing is named runList",
		"x/a.go:8:1: nothing is named goneLocal",
		"x/a.go:11:35: nothing is named old.mu",
		"y/a.s:2: nothing is named goneAsm",
	}, findings, strings.Join(findings, "\n"))
	require.Equal(t, 14, n)
}
