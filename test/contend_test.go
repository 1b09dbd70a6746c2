//go:build qemu

package test

import (
	"fmt"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// contention is an act of testdata/contend.
type contention struct {
	act    string
	copies int
	mem    string
	status []string // nil: 0
	any    bool     // any status
	want   string   // in the log or the output
}

var contentions = []contention{
	{act: "resize", copies: 1, mem: "256"},
	{act: "resize ends", copies: 1, mem: "256"},
	{act: "tids", copies: 1, mem: "256", want: "contend: robust lists: errno 38, 38\n"},
	{act: "select", copies: 1, mem: "256"},
	{act: "stacks", copies: 1, mem: "256"},
	// A frame may be what another thread has written, so the threads may do anything: the
	// kernel goes on.
	{act: "other stacks", copies: 2, mem: "256", any: true},
	{act: "timers", copies: 1, mem: "256"},
	{act: "nests", copies: 1, mem: "256"},
	{act: "maps", copies: 1, mem: "256"},
	// Go's runtime ends with status 2 when a mapping is refused.
	{act: "exhaust", copies: 3, mem: "96", status: []string{"7", "137", "2"}, want: "out of memory, the largest program, ended"},
}

// No step has interrupts off for long while memory is exhausted, nor afterwards, when the
// kernel counts what it has.
func TestExhaustionIsBounded(t *testing.T) {
	counted(t, "--mem", "96", "--append", "copies=3 rounds=1", "--app", build(t, "build", "./testdata/contend"), "exhaust").
		lacks("PANIC").has("out of memory, the largest program, ended", "app: round 0: statuses")
}

// contend runs an act again and again. What the first round leaves is all that later ones
// leave.
func contend(t *testing.T, exe string, x contention, options ...string) {
	t.Helper()
	const rounds = 2
	all := append([]string{"--mem", x.mem, "--timeout", "200", "--append", fmt.Sprintf("copies=%d rounds=%d", x.copies, rounds)}, options...)
	r := boot(t, append(all, "--app", exe, x.act)...).lacks("PANIC")
	if x.want != "" {
		r.has(x.want)
	}
	list := roundLine.FindAllStringSubmatch(r.log, -1)
	require.Len(t, list, rounds)
	number := func(i, field int) int {
		n, err := strconv.Atoi(list[i][field])
		require.NoError(t, err)
		return n
	}
	for _, round := range list {
		for _, status := range strings.Fields(round[1]) {
			switch {
			case x.any:
			case x.status == nil:
				require.Equal(t, "0", status)
			default:
				require.Contains(t, x.status, status)
			}
		}
	}
	const last = rounds - 1
	t.Logf("statuses %s, %s; threads, stacks and pages after the first round %s, %s, %s, after the last %s, %s, %s",
		list[0][1], list[last][1], list[0][5], list[0][6], list[0][7], list[last][5], list[last][6], list[last][7])
	require.Equal(t, number(0, 2), number(last, 5), "threads")
	require.LessOrEqual(t, number(last, 6), number(0, 6)+32, "kernel stacks; some are kept for the next thread")
	require.LessOrEqual(t, number(last, 7), number(0, 7)+128, "pages of the core")
}

// Threads use the same few objects at once. Each act runs on the debug kernel, where freed
// memory is poisoned, or on the ordinary one, which is faster; in make soak on both.
func TestContend(t *testing.T) {
	t.Parallel()
	exe := build(t, "build", "./testdata/contend")
	for i, x := range contentions {
		cpus := []string{"4", "2", "1"}
		if long || i%2 == 0 {
			t.Run(x.act+" debug", func(t *testing.T) {
				contend(t, exe, x, "--kernel", root+"/build/kernel-debug.elf", "--cpus", cpus[(i+1)%3])
			})
		}
		if long || i%2 == 1 {
			t.Run(x.act, func(t *testing.T) { contend(t, exe, x, "--cpus", cpus[i%3]) })
		}
	}
}
