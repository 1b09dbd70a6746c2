//go:build qemu

package test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"muster/kernel/shell"
)

// Idle CPUs wake up once a second, for their heartbeat, and for little else. The kernel's own
// test counts, by the guest's clock.
func TestIdleWakes(t *testing.T) {
	t.Parallel()
	r := boot(t, "--cpus", "4", "--run", "test tickless; test idle 2; cpus -json").ok()
	for _, c := range decode[[]shell.CPU](r, "cpus -json") {
		require.NotZero(t, c.Wakes[0], "cpu %d: its tick", c.CPU)
	}
}

// Negative control: with nohz=off every CPU ticks always, and the tests notice. The clock counts instructions, because a crowded
// host keeps ticks from a CPU.
func TestIdleTicks(t *testing.T) {
	t.Parallel()
	counted := func(words, run string) *result {
		return boot(t, "--icount", "--qemu", "-smp 2 -seed 1", "--append", words, "--timeout", "120", "--run", run)
	}
	counted("nohz=on", "test tickless").ok()
	r := counted("nohz=off", "test idle 1; test tickless")
	require.Equal(t, 1, r.status)
	r.has("an idle CPU wakes up 10", "with one thread had 100 ticks")
}
