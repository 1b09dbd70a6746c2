//go:build qemu

package test

import (
	"fmt"
	"os/exec"
	"regexp"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"

	"muster/kernel/shell"
)

// What the functions of the vDSO answer lies between what system calls answer before and after,
// for each clock, and is what the Linux that runs this test answers. A program cannot write
// the two pages, and may unmap them.
func TestVDSO(t *testing.T) {
	t.Parallel()
	exe := build(t, "build", "./testdata/vdso")
	linux, err := exec.Command(exe, "compare", "large").Output()
	require.NoError(t, err)
	require.NotContains(t, string(linux), "false")
	for _, options := range [][]string{
		{"--kernel", root + "/build/kernel.elf"},
		{"--kernel", root + "/build/kernel-debug.elf"},
		{"--cpu", "qemu64"}, // no RDTSCP
	} {
		options = append(options, "--mem", "256", "--append", "loglevel=4")
		runApp(t, exe, []string{"compare"}, options...).ok().has(string(linux))
		r := runApp(t, exe, []string{"pages"}, options...).ok().lacks("faults: false", "again: false", "still: false")
		r.has("sum of what is behind the time data: 0\n",
			"mprotect of the data to execute: permission denied\n",
			"hidden and shown: errno 0 true errno 0 true\n",
			"mremap, larger: bad address\n",
			"a page of its own there: true errno 0 1 0\n",
			"unmapped: errno 0 true true\n")
	}
}

// A real-time clock may hold a date of 1970. An earlier date is not used.
func TestOldDates(t *testing.T) {
	for _, date := range []string{"1970-01-01", "1969-12-31"} {
		t.Run(date, func(t *testing.T) {
			t.Parallel()
			boot(t, "--cpus", "1", "--qemu", "-rtc base="+date, "--run", "uptime").ok().has(", 1970-01-01T00:00:0")
		})
	}
}

// The Go runtime and the C library of programs find the functions: a reading costs less than
// the shortest system call, counted in instructions.
func TestVDSOCost(t *testing.T) {
	t.Parallel()
	for _, cpu := range []string{"max,-x2apic", "qemu64"} {
		r := runApp(t, build(t, "build", "./testdata/vdso"), []string{"cost"}, "--icount", "--cpu", cpu, "--mem", "256", "--append", "loglevel=4").ok()
		costs(t, r, 5, 130)
	}
	r := runApp(t, buildC(t, "clock", "-O1"), nil, "--icount", "--mem", "256", "--append", "loglevel=4").ok()
	costs(t, r, 5, 100)
	r.has("in order: 1", "of the process: 1")
}

// costs looks for n lines with a cost, all of them at most most.
func costs(t *testing.T, r *result, n, most int) {
	t.Helper()
	lines := regexp.MustCompile(`(?m)^(?:cost of )?[\w. ]+: (\d{2,})\r?$`).FindAllStringSubmatch(r.log, -1)
	require.Len(t, lines, n, r.log)
	for _, l := range lines {
		cost, err := strconv.Atoi(l[1])
		require.NoError(t, err)
		require.LessOrEqual(t, cost, most, l[0])
	}
}

// All CPUs read the clock in a loop and pass on what they get: none gets less than another one got
// before, while the rate is corrected. The test in the kernel ends with a control, a CPU
// that is 5 ms ahead.
func TestMonotonic(t *testing.T) {
	t.Parallel()
	for _, cpus := range []string{"1", "4"} {
		boot(t, "--cpus", cpus, "--run", fmt.Sprintf("test clock %d", length(3, 60))).ok().has("ok   clock")
	}
}

// The timekeeper measures the frequency while the kernel runs, and the clock stays at it.
func TestTimekeeper(t *testing.T) {
	t.Parallel()
	for _, machine := range []string{"q35", "q35,hpet=off"} {
		r := boot(t, "--cpus", "2", "--machine", machine, "--run", "test clock 4; time -v; time -json").ok()
		r.matches(`timekeeper: cpu0, by (HPET|ACPI PM timer): \d+\.\d{6} MHz, slow by -?\d+ ns, slewed by -?\d+ ppb, checks: \d+\n`)
		l := decode[shell.Time](r, "time -json")
		require.NotZero(t, l.Keeper.Checks)
		require.InEpsilon(t, l.Hz, l.Keeper.Hz, 0.01)
		require.LessOrEqual(t, max(l.Keeper.SlewPPB, -l.Keeper.SlewPPB), int64(500_000))
	}
}

// With tsc=off another counter is the clock: it is named, keeps time on all CPUs, and programs read it
// by system calls.
func TestWithoutTSC(t *testing.T) {
	t.Parallel()
	exe := build(t, "build", "./testdata/vdso")
	for machine, clock := range map[string]string{"q35": "HPET", "q35,hpet=off": "ACPI PM timer"} {
		r := boot(t, "--cpus", "4", "--machine", machine, "--append", "tsc=off", "--run", "test clock; test timers; time -v").ok()
		r.has("clock: "+clock+" is the clock, because of tsc=off", "ok   clock", "ok   timers", "\nclock: "+clock+"\n")
		runApp(t, exe, []string{"compare"}, "--machine", machine, "--mem", "256", "--append", "tsc=off loglevel=4").ok().
			has("between: true", "gettimeofday: 0 true", "time: true true", "getcpu: 0 true").lacks("between: false")
	}
	boot(t, "--machine", "microvm", "--append", "tsc=off", "--run", "uptime").ok().has("tsc=off has no effect")
}

// A CPU whose time-stamp counter is ahead is found and named, and another counter is the clock.
func TestSkewedTSC(t *testing.T) {
	t.Parallel()
	r := boot(t, "--cpus", "4", "--append", "fault=tsc:2", "--run", "test clock; time -v").ok()
	r.matches(`clock: the time-stamp counter of cpu2 differs by [45]\.\d{3} ms from another CPU's: HPET is the clock`).has("\nclock: HPET\n")
	boot(t, "--cpus", "4", "--run", "time -v").ok().has("\nclock: time-stamp counter\n").lacks("differs by")
}
