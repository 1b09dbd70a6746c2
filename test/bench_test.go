//go:build qemu

package test

import (
	"regexp"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"

	"muster/kernel/ktest"
)

// Instruction counts are exact, so they can be held to a bound: a tenth above
// what docs/measurements.md shows. More is a regression to explain.
var bounds = map[string]float64{
	"Getpid": 150, "Yield": 190, "FutexPingPong": 6500, "ThreadCreateJoin": 24200,
	"PageFault": 1090, "ContextSwitch": 620, "IPIRoundTrip": 740, "ChannelPingPong": 3000,
	"CallOne": 700, "CallAll": 440, "SendReschedule": 185, "InterruptReschedule": 200, "InterruptEmpty": 160, "SendCall": 195, "HandleCall": 245,
	"HandleReschedule": 60, "TimerArm": 200, "TimerCancel": 200, "TimeNow": 110, // the goals themselves
}

func TestBenchmarks(t *testing.T) {
	r := boot(t, "--icount", "--timeout", "120", "--run", "bench -json").ok()
	all := decode[[]ktest.Measurement](r, "bench -json")
	require.Len(t, all, len(bounds))
	for _, m := range all {
		require.Equal(t, "insns/op", m.Unit, m.Name)
		require.Greater(t, m.Value, 50.0, m.Name)
		require.LessOrEqual(t, m.Value, bounds[m.Name], m.Name)
	}
}

// What takes two CPUs is measured by the clock: it is there, and says so without them.
func TestBenchmarksOfCalls(t *testing.T) {
	r := boot(t, "--run", "bench -json CallRunning; bench -json CallHalted; bench -json CallAll").ok()
	for _, name := range []string{"CallRunning", "CallHalted", "CallAll"} {
		m := decode[[]ktest.Measurement](r, "bench -json "+name)
		require.Equal(t, "ns/op", m[0].Unit)
		require.Positive(t, m[0].Value)
	}
	r = boot(t, "--cpus", "1", "--run", "bench CallHalted")
	require.Equal(t, 1, r.status)
	r.has("bench: CallHalted takes 2 CPUs")
}

// The longest time that the core keeps interrupts off, in instructions.
func TestInterruptsOff(t *testing.T) {
	t.Parallel()
	r := boot(t, "--icount", "--kernel", root+"/build/kernel-debug.elf", "--timeout", "300", "--run", "test").ok()
	m := regexp.MustCompile(`longest stretch with interrupts off (\d+) ns`).FindStringSubmatch(r.log)
	require.NotNil(t, m, r.log)
	n, err := strconv.Atoi(m[1])
	require.NoError(t, err)
	require.Less(t, n, 100_000)
	require.Greater(t, n, 1_000, "the measure itself works")
}
