package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestOwnImports(t *testing.T) {
	findings, err := checkImports("../..")
	require.NoError(t, err)
	require.Empty(t, findings)
}

// Negative control: a tree in which every rule is broken once.
func TestBadImportsAreFound(t *testing.T) {
	root := t.TempDir()
	write := func(name, text string) {
		file := filepath.Join(root, name)
		require.NoError(t, os.MkdirAll(filepath.Dir(file), 0o755))
		require.NoError(t, os.WriteFile(file, []byte(text), 0o644))
	}
	write("kernel/cpu/a.go", "// Package cpu is.\n//\n// Layer: core.\npackage cpu\nimport _ \"fmt\"\nimport _ \"muster/kernel/mem\"\n")
	write("kernel/lock/a.go", "// Package lock is.\n//\n// Layer: core.\npackage lock\nimport _ \"sync/atomic\"\n")
	write("kernel/odd/a.go", "// Package odd is.\n//\n// Layer: core.\npackage odd\n")
	write("kernel/none/a.go", "package none\n")
	write("kernel/acpi/a.go", "// Package acpi is.\n//\n// Layer: pure.\npackage acpi\nimport _ \"os\"\nimport _ \"muster/kernel/shell\"\n")
	write("kernel/shell/a.go", "// Package shell is.\n//\n// Layer: service.\npackage shell\n")
	findings, err := checkImports(root)
	require.NoError(t, err)
	all := strings.Join(findings, "\n")
	for _, want := range []string{
		"core package muster/kernel/cpu imports fmt",
		"muster/kernel/cpu imports muster/kernel/mem, which is not below it",
		"imports sync/atomic",
		"muster/kernel/odd: core package is not in the order",
		"muster/kernel/none: its comment does not name a layer",
		"pure package muster/kernel/acpi imports os",
		"pure package muster/kernel/acpi imports service package muster/kernel/shell",
		"muster/kernel/mem is in the order of core packages, but is not a core package",
	} {
		require.Contains(t, all, want)
	}
}

// Negative control: core functions that allocate, use a map, panic, store a
// pointer with a write barrier, and one that does nothing wrong.
func TestBadCallsAreFound(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "go.mod"), []byte("module bad\n"), 0o644))
	require.NoError(t, os.MkdirAll(filepath.Join(dir, "core"), 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "core", "a.go"), []byte(`package core

var Global *[100]int
var Map map[int]int

//go:noinline
func Allocates(n int) { Global = new([100]int) }

//go:noinline
func UsesMap(i int) int { return Map[i] }

//go:noinline
func Joins(a, b string) string { return a + b }

//go:noinline
func Barrier(p *[100]int) { Global = p }

//go:noinline
func Good(a []int, i int) int { return a[i] + 1 }
`), 0o644))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "main.go"), []byte(`package main

import "bad/core"

func main() {
	core.Allocates(1)
	println(core.UsesMap(1), core.Joins("a", "b"), core.Good([]int{1}, 0))
	core.Barrier(nil)
}
`), 0o644))
	exe := filepath.Join(dir, "bad")
	cmd := exec.Command("go", "build", "-o", exe, ".")
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GOFLAGS=", "GOOS=linux", "GOARCH=amd64", "CGO_ENABLED=0")
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)
	findings, n, err := checkCalls(exe, []string{"bad/core"}, allowed)
	require.NoError(t, err)
	require.Positive(t, n)
	all := strings.Join(findings, "\n")
	for _, want := range []string{"core.Allocates calls runtime.newobject", "core.UsesMap calls ", "core.Joins calls runtime.concatstring",
		"core.Barrier calls runtime.gcWriteBarrier"} {
		require.Contains(t, all, want)
	}
	require.NotContains(t, all, "core.Good")
	_, _, err = checkCalls(exe, []string{"no/such"}, allowed)
	require.Error(t, err)
}

func TestInCore(t *testing.T) {
	core := []string{"muster/kernel/mem", "muster/boot"}
	require.True(t, inCore("muster/kernel/mem.(*Space).Fault", core))
	require.True(t, inCore("muster/kernel/mem.ptr[go.shape.uint64]", core))
	require.True(t, inCore("muster/boot.entry32", core))
	require.False(t, inCore("muster/kernel/memory.X", core))
	require.False(t, inCore("runtime.mallocgc", core))
}
