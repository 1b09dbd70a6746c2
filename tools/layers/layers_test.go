package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/arch/x86/x86asm"
)

func TestOwnImports(t *testing.T) {
	findings, err := checkImports("../..")
	require.NoError(t, err)
	require.Empty(t, findings)
}

// source returns a package of a layer with some imports.
func source(layer string, imports ...string) string {
	text := "// Package x is.\n//\n// Layer: " + layer + ".\npackage x\n"
	for _, im := range imports {
		text += "import _ \"" + im + "\"\n"
	}
	return text
}

// findings checks a small tree that keeps all rules, with one package
// replaced. No name means none.
func findings(t *testing.T, name, text string) []string {
	t.Helper()
	tree := map[string]string{"muster/kernel/acpi": source("pure"), "muster/kernel/shell": source("service", "muster/kernel/acpi")}
	for i, core := range order {
		tree[core] = source("core", order[max(i-1, 0):i]...)
	}
	if name != "" {
		tree[name] = text
	}
	root := t.TempDir()
	for name, text := range tree {
		file := filepath.Join(root, strings.TrimPrefix(name, "muster/"), "a.go")
		require.NoError(t, os.MkdirAll(filepath.Dir(file), 0o755))
		require.NoError(t, os.WriteFile(file, []byte(text), 0o644))
	}
	list, err := checkImports(root)
	require.NoError(t, err)
	return list
}

func TestGoodImportsPass(t *testing.T) { require.Empty(t, findings(t, "", "")) }

// Negative controls: the tree of TestGoodImportsPass with one rule broken.
func TestBadImportsAreFound(t *testing.T) {
	for want, broken := range map[string][2]string{
		"core package muster/kernel/cpu imports fmt":                         {"muster/kernel/cpu", source("core", "fmt")},
		"muster/kernel/cpu imports muster/kernel/mem, which is not below it": {"muster/kernel/cpu", source("core", "muster/kernel/mem")},
		"imports sync/atomic": {"muster/kernel/lock", source("core", "sync/atomic")},
		"muster/kernel/odd: core package is not in the order":                           {"muster/kernel/odd", source("core")},
		"muster/kernel/none: its comment does not name a layer":                         {"muster/kernel/none", "package none\n"},
		"pure package muster/kernel/acpi imports os":                                    {"muster/kernel/acpi", source("pure", "os")},
		"pure package muster/kernel/acpi imports service package muster/kernel/shell":   {"muster/kernel/acpi", source("pure", "muster/kernel/shell")},
		"muster/kernel/mem is in the order of core packages, but is not a core package": {"muster/kernel/mem", source("service")},
	} {
		t.Run(want, func(t *testing.T) {
			require.Contains(t, strings.Join(findings(t, broken[0], broken[1]), "\n"), want)
		})
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

// Negative control: core functions that copy by memmove, compute in floating point or
// have AVX and x87 instructions, and one that does nothing wrong.
func TestVectorRegistersAreFound(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644))
	}
	require.NoError(t, os.MkdirAll(filepath.Join(dir, "core"), 0o755))
	write("go.mod", "module bad\n")
	write("core/a.go", `package core

//go:noinline
func Copies(to, from []byte) int { return copy(to, from) }

//go:noinline
func Computes(a, b, c, d float64) float64 { return a*b + c*d }

//go:noinline
func Good(to *Words, from Words) { *to = from }

type Words struct{ a, b, c, d, e uint64 }

//go:noinline
func Moves(to *[16]byte, from *[16]byte) { *to = *from }

func AVX()
func X87()
`)
	write("core/a.s", `#include "textflag.h"

TEXT ·AVX(SB), NOSPLIT, $0
	VZEROUPPER
	RET

TEXT ·X87(SB), NOSPLIT, $0
	FADDD F0, F1
	RET
`)
	write("main.go", `package main

import "bad/core"

func main() {
	var a, b [40]byte
	core.Copies(a[:], b[:])
	var w core.Words
	core.Good(&w, w)
	var c, d [16]byte
	core.Moves(&c, &d)
	println(core.Computes(1, 2, 3, 4))
	core.AVX()
	core.X87()
}
`)
	exe := filepath.Join(dir, "bad")
	cmd := exec.Command("go", "build", "-o", exe, ".")
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GOFLAGS=", "GOOS=linux", "GOARCH=amd64", "CGO_ENABLED=0")
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)
	findings, n, err := checkVectors(exe, []string{"bad/core"})
	require.NoError(t, err)
	require.Greater(t, n, 10)
	all := strings.Join(findings, "\n")
	for _, want := range []string{"core.Copies calls runtime.memmove", "core.Computes uses X3", "core.Moves uses X0", "core.AVX has an AVX instruction", "core.X87 uses F1"} {
		require.Contains(t, all, want)
	}
	require.NotContains(t, all, "core.Good")
}

// The list here is the one that the entry for system calls saves.
func TestKeptRegisters(t *testing.T) {
	b, err := os.ReadFile("../../kernel/trap/state.go")
	require.NoError(t, err)
	var numbers []string
	for _, r := range keptRegisters {
		numbers = append(numbers, fmt.Sprint(int(r-x86asm.X0)))
	}
	require.Contains(t, string(b), fmt.Sprintf("var kept = [%d]uintptr{%s}\n", len(numbers), strings.Join(numbers, ", ")))
}

func TestInCore(t *testing.T) {
	core := []string{"muster/kernel/mem", "muster/boot"}
	require.True(t, inCore("muster/kernel/mem.(*Space).Fault", core))
	require.True(t, inCore("muster/kernel/mem.ptr[go.shape.uint64]", core))
	require.True(t, inCore("muster/boot.entry32", core))
	require.False(t, inCore("muster/kernel/memory.X", core))
	require.False(t, inCore("runtime.mallocgc", core))
}
