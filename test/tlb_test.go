//go:build qemu

package test

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// No CPU uses a translation that a system call of a program has taken away: two programs of
// which each has more threads than there are CPUs.
func TestTLBOracle(t *testing.T) {
	exe := build(t, "build", "./testdata/contend")
	tlbOracle(t, exe, root+"/build/kernel.elf", 0)
	if long {
		tlbOracle(t, exe, root+"/build/kernel-debug.elf", 0)
	}
}

func tlbOracle(t *testing.T, exe, kernel string, status int) *result {
	t.Helper()
	r := boot(t, "--kernel", kernel, "--cpus", "4", "--mem", "512", "--timeout", "200", "--append", "copies=2 rounds=1", "--app", exe, "tlb").lacks("PANIC")
	if status == 0 {
		require.Zero(t, r.status, r.log)
	}
	return r
}
