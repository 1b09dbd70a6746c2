package main

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"muster/test/sysfuzz"
)

// A failure that takes two calls of two threads is reduced to these.
func TestReduce(t *testing.T) {
	var lists [][]sysfuzz.Call
	for i := range 3 {
		var list []sysfuzz.Call
		for k := range uint64(200) {
			list = append(list, sysfuzz.Call{Number: k % 20, Args: [6]uint64{k, uint64(i)}})
		}
		lists = append(lists, list)
	}
	runs := 0
	breaks := func(lists [][]sysfuzz.Call) bool {
		runs++
		return slices.ContainsFunc(lists[0], func(c sysfuzz.Call) bool { return c.Args[0] == 77 }) &&
			slices.ContainsFunc(lists[2], func(c sysfuzz.Call) bool { return c.Args[0] == 133 })
	}
	lists = reduce(lists, breaks)
	require.Equal(t, 2, total(lists))
	require.Equal(t, uint64(77), lists[0][0].Args[0])
	require.Equal(t, uint64(133), lists[2][0].Args[0])
	require.Less(t, runs, 200, "runs of a machine")
}

// Threads and calls from both ends go while the run fails.
func TestNarrow(t *testing.T) {
	r := narrow(run{threads: 8, to: 10000, mask: 255}, func(r run) bool {
		return r.mask&0x14 == 0x14 && r.from <= 400 && r.to > 500
	})
	require.Equal(t, uint64(0x14), r.mask)
	require.LessOrEqual(t, r.to-r.from, uint64(1250))
	require.True(t, r.from <= 400 && r.to > 500, r)
}

// The Go file has each call with its name.
func TestSource(t *testing.T) {
	text := source(run{seed: 3, threads: 2}, [][]sysfuzz.Call{{{Number: 3, Args: [6]uint64{5}}}, nil})
	require.Contains(t, text, "arguments 3 2 1000000")
	require.Contains(t, text, "{Number: 0x3, Args: [6]uint64{0x5, 0x0, 0x0, 0x0, 0x0, 0x0}, Script: 0x0}, // close\n")
}
