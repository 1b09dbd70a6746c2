package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// good is a module in which everything is used, each function in another way.
var good = map[string]string{
	"go.mod": "module m\n\ngo 1.26\n",
	"main.go": `package main

import "m/low"

func main() { low.Direct(); low.Enter(); low.Table[1](2); println(low.Number(3)) }
`,
	"low/low.go": `package low

func Direct() { debugOnly() }
func Enter()  // in assembly
func byName() {}
func byVariable(Number) {}
func inClosure() {}
func Generic[T any](v T) T { return v }

type Number int

func (n Number) Secret() {}

var handler = byVariable
var Table = [2]func(uint8){nil, func(uint8) { inClosure(); Generic(5); var s interface{ Secret() } = Number(1); s.Secret() }}
`,
	"low/low_amd64.s": `#include "textflag.h"
// ·inComment(SB) does not count.
TEXT ·Enter(SB), NOSPLIT, $0
	CALL ·byName(SB)
	MOVQ ·handler(SB), AX
	RET
`,
	"low/debug.go":        "//go:build debug\n\npackage low\n\nfunc debugOnly() { checks() }\nfunc checks() {}\n",
	"low/plain.go":        "//go:build !debug\n\npackage low\n\nfunc debugOnly() {}\n",
	"low/low_test.go":     "package low\n\nimport (\n\t\"testing\"\n\n\t\"m/support\"\n)\n\nfunc TestLow(t *testing.T) { helper(); support.Help() }\nfunc helper() {}\n",
	"low/explore.go":      "//go:build explore\n\npackage low\n\nfunc hook() {}\n",
	"low/explore_test.go": "//go:build explore\n\npackage low\n\nimport \"testing\"\n\nfunc TestHook(t *testing.T) { hook() }\n",
	"support/a.go":        "// Package support is there for tests.\n//\n// Layer: host tests.\npackage support\n\nfunc Help() {}\n",
}

func judge(t *testing.T, files map[string]string) []string {
	t.Helper()
	root := t.TempDir()
	for name, text := range files {
		file := filepath.Join(root, name)
		require.NoError(t, os.MkdirAll(filepath.Dir(file), 0o755))
		require.NoError(t, os.WriteFile(file, []byte(text), 0o644))
	}
	findings, n, err := check(root, []string{"none", "debug"}, []string{"none", "debug", "explore"})
	require.NoError(t, err)
	require.Greater(t, n, 10)
	return findings
}

// The module with some of the uses taken away: those functions are found, and no other.
func TestUnreachedAreFound(t *testing.T) {
	broken := map[string]string{}
	for f, text := range good {
		broken[f] = text
	}
	for _, x := range []struct{ file, old, new string }{
		{"main.go", "low.Direct(); ", ""},
		{"low/low_amd64.s", "\tCALL ·byName(SB)\n", "\t// CALL ·byName(SB)\n"},
		{"low/low.go", "= byVariable", "func(Number)"},
		{"low/low.go", " = Number(1); s.Secret()", "; s.Secret()"},
		{"low/low.go", "Generic(5);", ""},
		{"low/debug.go", "{ checks() }", "{}"},
		{"low/low_test.go", "helper();", "Direct();"},
		{"low/explore_test.go", "hook()", ""},
		{"support/a.go", "Layer: host tests", "Layer: host"},
	} {
		require.Contains(t, broken[x.file], x.old)
		broken[x.file] = strings.Replace(broken[x.file], x.old, x.new, 1)
	}
	var found []string
	for _, f := range judge(t, broken) {
		_, what, _ := strings.Cut(f, ": ")
		found = append(found, what)
	}
	require.ElementsMatch(t, []string{
		"Direct is called from tests alone", "Help is called from tests alone", "debugOnly is called from tests alone", "debugOnly is called from tests alone",
		"byName is never called", "byVariable is never called", "Secret is never called", "Generic is never called",
		"checks is never called", "helper is never called", "hook is never called",
	}, found)
}

func TestJoined(t *testing.T) {
	builds := []string{"none", "debug"}
	require.Equal(t, []string{"none", "debug", "explore,qemu,soak"}, joined(builds, []string{"none", "debug", "explore", "explore,soak", "qemu", "qemu,soak"}))
	require.Equal(t, []string{"none"}, joined(builds, []string{"none"}))
}
