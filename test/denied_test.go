//go:build qemu

package test

import (
	"fmt"
	"regexp"
	"testing"

	"github.com/stretchr/testify/require"
)

// deniedKinds are the allocations that the kernel makes for a program that runs already.
var deniedKinds = []string{"a check", "a page", "a stack", "area", "epoll", "file", "futex queue", "pipe", "task", "timer", "watch"}

var deniedLine = regexp.MustCompile(`mem: fault: the first denied allocation of its kind: (.*)`)

// runDenied runs a program on a debug kernel in which one in every allocations fails once the
// program has started. The kernel returns the errors, or ends the program, and nothing is left
// that was made before the failure. It returns which kinds of allocation failed.
func runDenied(t *testing.T, every int, program string, args ...string) (kinds []string) {
	t.Helper()
	const rounds = 3
	r := boot(t, append([]string{"--kernel", root + "/build/kernel-debug.elf", "--mem", "512", "--timeout", "100",
		"--append", fmt.Sprintf("copies=2 rounds=%d fault=alloc:every=%d fault=alloc:after=500", rounds, every),
		"--app", build(t, "build", "./testdata/"+program)}, args...)...).
		lacks("PANIC", "sysfuzz: FAULT")
	require.Contains(t, []int{0, 2, killedStatus}, r.status, "2: Go's runtime has no memory")
	require.NoError(t, leaves(r.log, rounds, 128))
	for _, m := range deniedLine.FindAllStringSubmatch(r.log, -1) {
		kinds = append(kinds, m[1])
	}
	return kinds
}

// Allocations of each kind fail, and the kernel survives that and gets all memory back. Which fail
// depends on the order of the CPUs, so there may be several turns.
func TestDeniedAllocations(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for turn := 1; turn <= 10 && len(seen) < len(deniedKinds); turn++ {
		kinds := append(runDenied(t, 7+22*(turn%2), "sysfuzz", fmt.Sprint(turn), "4", "2000"), runDenied(t, 50, "bomb", "threads", "200")...)
		for _, k := range kinds {
			require.Contains(t, deniedKinds, k)
			seen[k] = true
		}
	}
	require.Len(t, seen, len(deniedKinds), "%v", seen)
}

// Only the debug kernel has allocations that fail on request.
func TestNoDeniedAllocations(t *testing.T) {
	boot(t, "--append", "fault=alloc:every=2 fault=alloc:none", "--run", "uptime").ok().
		has("options: fault=alloc: only the debug kernel has that, ignored", `options: fault=alloc:none: "none": one in N allocations of a program can fail`)
}
