//go:build qemu && soak

package test

import (
	"fmt"
	"regexp"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"
)

// torture runs an act of testdata/torture.
func torture(t *testing.T, cpus int, act ...string) *result {
	t.Helper()
	exe := build(t, "build", "./testdata/torture")
	return runApp(t, exe, act, "--cpus", fmt.Sprint(cpus), "--timeout", "1500", "--env", "GODEBUG=asyncpreemptoff=1").ok().lacks("PANIC")
}

// 2,000 threads in 1 GiB sleep, yield, compute, and change CPUs, nice values and policies at random: each goes on.
func TestSoakTortureOfThreads(t *testing.T) {
	for _, cpus := range []int{4, 16, 64} {
		t.Run(fmt.Sprint(cpus), func(t *testing.T) {
			torture(t, cpus, "many", "2000", "60").matches(`torture: many: 2000 threads, [1-9]\d* turns`)
		})
	}
}

// Threads of one priority run in the order in which they became ready.
func TestSoakTortureOrder(t *testing.T) {
	for _, cpus := range []int{1, 4, 16} {
		t.Run(fmt.Sprint(cpus), func(t *testing.T) { torture(t, cpus, "order").has("torture: order: 50 threads, 100 rounds") })
	}
}

var hogLine = regexp.MustCompile(`torture: hogs: \d threads on \d CPUs: ([0-9.]+) to ([0-9.]+) of`)

// Threads share CPUs evenly, by the time that is accounted: within 2% on one CPU, within 5% where there are more threads than CPUs. An
// instruction takes a nanosecond, so that the host does not count.
func TestSoakTortureShares(t *testing.T) {
	exe := build(t, "build", "./testdata/torture")
	for _, c := range []struct {
		threads, cpus int
		apart         float64
	}{{4, 1, 0.02}, {20, 1, 0.02}, {5, 4, 0.05}} {
		t.Run(fmt.Sprint(c.threads, " on ", c.cpus), func(t *testing.T) {
			r := boot(t, "--boot", "pvh", "--icount", "--qemu", fmt.Sprint("-smp ", c.cpus), "--append", "tick=1", "--mem", "1024", "--timeout", "1000",
				"--env", "GODEBUG=asyncpreemptoff=1", "--app", exe, "hogs", fmt.Sprint(c.threads), fmt.Sprint(c.cpus), "20").ok()
			m := hogLine.FindStringSubmatch(r.log)
			require.Len(t, m, 3, r.log)
			for _, text := range m[1:] {
				part, err := strconv.ParseFloat(text, 64)
				require.NoError(t, err)
				require.InDelta(t, 1, part, c.apart)
			}
		})
	}
}

// What other tests do on 4 CPUs, on 64.
func TestSoak64CPUs(t *testing.T) {
	exe := build(t, "build", "./testdata/contend")
	for _, kernel := range []string{"kernel", "kernel-debug"} {
		options := []string{"--cpus", "64", "--mem", "4096", "--timeout", "2400", "--kernel", root + "/build/" + kernel + ".elf"}
		t.Run("stress "+kernel, func(t *testing.T) {
			boot(t, append(options, "--append", "GODEBUG=gccheckmark=1", "--run", "test tlb; test blocks; test nodes; test stress 300; locks; mem")...).ok()
		})
		t.Run("tlb "+kernel, func(t *testing.T) {
			boot(t, append(options, "--append", "copies=2 rounds=1", "--app", exe, "tlb")...).ok()
		})
	}
}
