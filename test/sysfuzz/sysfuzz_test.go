package sysfuzz

import (
	"os"
	"regexp"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"
)

// The same seed gives the same calls, and another seed or another thread gives others.
func TestSeed(t *testing.T) {
	draw := func(seed uint64, thread int) (list []Call) {
		s := NewSource(seed, thread, 4)
		for range 1000 {
			list = append(list, s.Next())
		}
		return list
	}
	require.Equal(t, draw(7, 3), draw(7, 3))
	require.NotEqual(t, draw(7, 3), draw(8, 3))
	require.NotEqual(t, draw(7, 3), draw(7, 4))
	block := func(seed uint64) []byte {
		b := make([]byte, BlockSize)
		FillBlock(b, seed, 2, Code{Handler: 1})
		return b
	}
	require.Equal(t, block(7), block(7))
	require.NotEqual(t, block(7), block(8))
}

// ending is the calls that the kernel has and the fuzzer leaves out: they end the process
// at once, which the program does at its end.
var ending = map[uint64]bool{231: true}

// Every call of the kernel's table is in the fuzzer's.
func TestEveryCall(t *testing.T) {
	text, err := os.ReadFile("../../kernel/linux/syscall.go")
	require.NoError(t, err)
	have := map[uint64]bool{}
	for _, e := range Table {
		have[e.Number] = true
	}
	found := regexp.MustCompile(`(?m)^\t(\d+):\s+sys\w+,`).FindAllSubmatch(text, -1)
	require.Greater(t, len(found), 80)
	for _, m := range found {
		n, err := strconv.ParseUint(string(m[1]), 10, 64)
		require.NoError(t, err)
		if !ending[n] {
			require.True(t, have[n], "system call %d is in no entry", n)
		}
	}
}

// Ten million calls have every number of the table at least 1,000 times, and none that
// would end the process.
func TestCalls(t *testing.T) {
	const calls = 1_000_000
	counts := map[uint64]int{}
	for thread := range 4 {
		s := NewSource(1, thread, 4)
		for range calls / 4 {
			c := s.Next()
			counts[c.Number]++
			require.False(t, deadly(&c), c)
			require.NotEqual(t, uint64(231), c.Number, "exit_group")
		}
	}
	for _, e := range Table {
		if e.Number != Nowhere {
			require.Greater(t, counts[e.Number], 1000*calls/10_000_000, "%d %s", e.Number, e.Name)
		}
	}
}

// What would take the program's own memory away is noticed.
func TestDeadlyIsFound(t *testing.T) {
	for name, c := range map[string]Call{
		"munmap of all":       {Number: 11, Args: [6]uint64{0, 1<<47 - 4096}},
		"munmap past the end": {Number: 11, Args: [6]uint64{Arena, 1 << 63}},
		"mmap over the text":  {Number: 9, Args: [6]uint64{0x400000, 4096, 3, 0x32}},
		"mprotect":            {Number: 10, Args: [6]uint64{Blocks, 4096, 0}},
		"mremap to the rings": {Number: 25, Args: [6]uint64{Arena, 4096, 4096, 3, Rings}},
		"close of the output": {Number: 3, Args: [6]uint64{1}},
		"dup to the output":   {Number: 33, Args: [6]uint64{5, 1<<32 + 1}},
		"KILL":                {Number: 234, Args: [6]uint64{4, 5, 9}},
		"a handler for SEGV":  {Number: 13, Args: [6]uint64{11, Block(0), 0, 8}},
		"an action of zeros":  {Number: 13, Args: [6]uint64{64, 1 << 30, 0, 8}}, // mmap with MAP_32BIT maps there
		"a stack of the text": {Number: 131, Args: [6]uint64{0x400000}},
		"exit_group":          {Number: 231},
		"exit_group, an int":  {Number: 1<<32 + 231},
	} {
		require.True(t, deadly(&c), name)
	}
	for name, c := range map[string]Call{
		"munmap in the arena":  {Number: 11, Args: [6]uint64{Arena + 4096, 4096}},
		"munmap of no address": {Number: 11, Args: [6]uint64{1 << 63, 4096}},
		"munmap, not a page":   {Number: 11, Args: [6]uint64{8, 1 << 40}},
	} {
		require.False(t, deadly(&c), name)
	}
}
