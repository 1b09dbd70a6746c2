package main

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// The generated files follow the tables.
func TestGenerated(t *testing.T) { require.NoError(t, run("../..", true)) }

const table = `package abi
type Calls interface {
	// Open opens
	// a thing. ENOENT.
	//muster:core open
	//muster:inner
	Open(name string, write bool) (info *Info, handle int, err error)

	// Wait waits.
	//muster:core linux.Wait
	//muster:blocking
	Wait(handle uintptr)
}`

func TestParse(t *testing.T) {
	calls, err := parse("calls.go", table, "Calls")
	require.NoError(t, err)
	require.Len(t, calls, 2)
	require.Equal(t, call{name: "Open", doc: "Open opens\na thing. ENOENT.", core: "open", inner: true, fails: true,
		params: []value{{"name", "string"}, {"write", "bool"}}, out: &value{"info", "Info"}, result: &value{"handle", "int"}}, calls[0])
	require.Equal(t, "open", calls[0].stub())
	require.Equal(t, 4, calls[0].registers())
	require.True(t, calls[1].blocking)
	require.Equal(t, "Wait", calls[1].stub())
	ipi := call{name: "IPICount", inner: true}
	require.Equal(t, "ipiCount", ipi.stub())
}

func TestEmit(t *testing.T) {
	calls, err := parse("calls.go", table, "Calls")
	require.NoError(t, err)
	require.Contains(t, string(stubs(calls)), `// open opens
// a thing. ENOENT.
func open(name string, write bool) (info *abi.Info, handle int, err error) {
	info = new(abi.Info)
	r, err := quick(abi.NumOpen, uintptr(unsafe.Pointer(unsafe.StringData(name))), uintptr(len(name)), flag(write), uintptr(unsafe.Pointer(info)))
	return info, int(r), err
}`)
	require.Contains(t, string(stubs(calls)), "\tblocking(abi.NumWait, uintptr(handle), 0, 0, 0)\n")
	require.Contains(t, string(dispatch("private", "First", calls)), "return open(c, t, uintptr(f.DI), f.SI, f.DX != 0, uintptr(f.R10))")
	require.Contains(t, string(numbers(calls, calls[1:])), "NumOpen = First + iota")
	doc, err := document([]byte("before\n"+listBegin+"old\n"+listEnd+"after\n"), calls, nil)
	require.NoError(t, err)
	require.Contains(t, string(doc), "| 0x1000 | `Open` | `private.open` | opens a thing |\n| 0x1001 | `Wait` | `linux.Wait` | waits |\n")
	require.NotContains(t, string(doc), "old")
	_, err = document([]byte("no markers"), calls, nil)
	require.Error(t, err)
}

// The error for each mistake in a table names it.
func TestMistakes(t *testing.T) {
	for method, want := range map[string]string{
		"// Open opens.\n\tOpen()":                                       "no muster:core line",
		"// It opens.\n//muster:core open\n\tOpen()":                     "does not begin with its name",
		"// Open opens.\n//muster:core open\n//muster:fast\n\tOpen()":    "unknown directive fast",
		"// Open opens.\n//muster:core open\n\tOpen(f float64)":          "a float64 does not go in a register",
		"// Open opens.\n//muster:core open\n\tOpen(a, b string, c int)": "needs 5 registers, there are 4",
		"// Open opens.\n//muster:core open\n\tOpen() (a, b int)":        "more results than one number",
		"// Open opens.\n//muster:core open\n\tOpen(f func())":           "a func() does not go in a register",
		"// Open opens.\n//muster:core open\n\tOpen(m map[string]int)":   "does not go in a register",
	} {
		_, err := parse("calls.go", "package abi\ntype Calls interface {\n"+method+"\n}", "Calls")
		require.ErrorContains(t, err, want, method)
	}
	_, err := parse("calls.go", "package abi", "Calls")
	require.ErrorContains(t, err, "no interface Calls")
}
