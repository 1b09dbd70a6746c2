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

// Negative control: with nohz=off every CPU ticks always, and the test notices. A crowded host
// can keep ticks from a CPU for a while, so the second test runs three times.
func TestIdleTicks(t *testing.T) {
	t.Parallel()
	r := boot(t, "--cpus", "4", "--append", "nohz=off", "--run", "test idle 1; test tickless; test tickless; test tickless")
	require.Equal(t, 1, r.status)
	r.has("an idle CPU wakes up ", "with one thread had ")
}
