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
		r.matches(`timekeeper: cpu0, compares with (HPET|ACPI PM timer): \d+\.\d{6} MHz since boot, checks: \d+\n  the clock was \d+ ns (slow|fast): it runs (faster|slower) by \d+ ppb until\s+the\s+next\s+check\n`)
		l := decode[shell.Time](r, "time -json")
		require.NotZero(t, l.Keeper.Checks)
		require.InEpsilon(t, l.Hz, l.Keeper.Hz, 0.01)
		require.LessOrEqual(t, max(l.Keeper.SlewPPB, -l.Keeper.SlewPPB), int64(500_000))
		require.Equal(t, "on", l.Keeper.Watch)
		require.NotZero(t, l.Keeper.Windows)
		require.Zero(t, l.Keeper.Bad)
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
	r := boot(t, "--append", "tsc=off", "--run", "time -v").ok()
	r.has("watchdog: off, the counter is not the clock").matches(`counter of cpu1 to cpu3: not compared: the time-stamp counter is not the\s+clock`)
	boot(t, "--machine", "microvm", "--append", "tsc=off", "--run", "uptime").ok().has("tsc=off has no effect")
}

// A CPU whose time-stamp counter is ahead is found and named, and another counter is the clock.
func TestSkewedTSC(t *testing.T) {
	t.Parallel()
	r := boot(t, "--cpus", "4", "--append", "fault=tsc:2", "--run", "test clock; time -v").ok()
	r.matches(`clock: the time-stamp counter of cpu2 differs by [45]\.\d{3} ms from another CPU's: HPET is the clock`).has("\nclock: HPET\n")
	boot(t, "--cpus", "4", "--run", "time -v").ok().has("\nclock: time-stamp counter\n").lacks("differs by")
}

// Where the CPUs' counters differ and no other one counts, the clock is made of them. It is named and never steps back
// between CPUs, also for programs, for CPUs that come online later, and for those whose counter is seconds ahead or late.
func TestSkewedTSCAlone(t *testing.T) {
	t.Parallel()
	exe := build(t, "build", "./testdata/vdso")
	const name = "corrected time-stamp counter of each CPU"
	for machine, more := range map[string]string{"microvm": "", "q35,hpet=off": "fault=pm:still "} {
		t.Run(machine, func(t *testing.T) {
			t.Parallel()
			r := boot(t, "--cpus", "4", "--machine", machine, "--append", more+"fault=tsc:2", "--run",
				"test clock; test timers; time -v; cpu offline 2; cpu online 2; cpu offline 1; test clock 1").ok()
			r.matches(`clock: the time-stamp counter of cpu2 differs by [45]\.\d{3} ms from another CPU's: no HPET and no ACPI PM timer counts: ` + name + ` is the clock`)
			r.has("ok   clock", "ok   timers", "\nclock: "+name+"\n", "watchdog: off, the counters differ", "counter of cpu3: not compared: each reading of the clock compares it")
			runApp(t, exe, []string{"compare"}, "--machine", machine, "--mem", "256", "--append", more+"fault=tsc:2").ok().
				has("between: true", "gettimeofday: 0 true", "time: true true", "getcpu: 0 true", name+" is the clock").lacks("between: false")
		})
	}
	for _, ms := range []string{"-30000", "30000"} {
		t.Run(ms, func(t *testing.T) {
			t.Parallel()
			r := boot(t, "--cpus", "4", "--machine", "microvm", "--append", "fault=ap2:tsc="+ms, "--run", "time -json; test clock 1; time -json; test cpus").ok()
			r.matches(`clock: the time-stamp counter of cpu2 differs by (29|30)\d{3}\.\d{3} ms from another CPU's: no HPET and no ACPI PM timer counts: ` + name)
			l := decode[shell.Time](r, "time -json")
			require.Equal(t, name, l.Clock)
			require.Less(t, l.UpNS, int64(25e9))
		})
	}
}

// A time-stamp counter that begins to count too fast is found: HPET or ACPI PM timer is the clock from then on, on all
// CPUs, and no CPU and no program sees it step back. With tsc=reliable nothing looks.
func TestClockWatchdog(t *testing.T) {
	t.Parallel()
	exe := build(t, "build", "./testdata/vdso")
	const drifts = "fault=tsc:drift"
	for machine, clock := range map[string]string{"q35": "HPET", "q35,hpet=off": "ACPI PM timer"} {
		t.Run(clock, func(t *testing.T) {
			t.Parallel()
			during := "test clock 6"
			if clock != "HPET" {
				during = "top 6" // the other half of the time this test may take
			}
			r := boot(t, "--cpus", "4", "--machine", machine, "--append", drifts, "--run", during+"; time -v; test clock 1; test timers").ok()
			r.matches(`clock: cpu\d: the time-stamp counter and ` + clock + ` disagree by \d+ us in \d+ ms, for the third time: ` + clock + ` is the clock, each reading is a system call`)
			r.has("ok   clock", "\nclock: "+clock+"\n", "watchdog: stopped, the counter disagreed and is not the clock any more", "disagreements: 3, ")
		})
	}
	t.Run("a program", func(t *testing.T) {
		t.Parallel()
		runApp(t, exe, []string{"across"}, "--mem", "256", "--append", drifts).ok().has("across: true", ": HPET is the clock, each reading")
	})
	t.Run("reliable", func(t *testing.T) {
		t.Parallel()
		r := boot(t, "--cpus", "2", "--append", drifts+" tsc=reliable", "--run", "top 5; time -v").ok()
		r.has("\nclock: time-stamp counter\n", "watchdog: off, because of tsc=reliable", "counter of cpu1: not compared: tsc=reliable").lacks("disagree by")
	})
}

// A CPU that comes online after the boot is compared then, and each CPU has a line that says whether it was.
func TestSkewedTSCOnline(t *testing.T) {
	t.Parallel()
	r := boot(t, "--cpus", "4", "--append", "maxcpus=2 fault=tsc:3", "--run", "cpu online 2; time -v; cpu online 3; time -json; test clock 1").ok()
	require.Regexp(t, `counter of cpu1( to cpu2)?: (agrees with the boot CPU's|not compared)`, r.output("time -v")) // a host may run them in turns
	r.matches(`clock: the time-stamp counter of cpu3 differs by [45]\.\d{3} ms from another CPU's: HPET is the clock`)
	l := decode[shell.Time](r, "time -json")
	require.Len(t, l.CPUs, 3)
	require.Regexp(t, `differs from the boot CPU's by [45]\.\d{3} ms`, l.CPUs[2].State)
}

// A counter that is seconds ahead or late is found before its CPU joins, so the clock goes on without a step.
func TestSkewedTSCAtStart(t *testing.T) {
	t.Parallel()
	for _, ms := range []string{"-30000", "30000"} {
		t.Run(ms, func(t *testing.T) {
			t.Parallel()
			r := boot(t, "--cpus", "4", "--append", "fault=ap2:tsc="+ms, "--run", "cpus -json; time -json; test clock 1; test cpus").ok()
			r.matches(`clock: the time-stamp counter of cpu2 differs by (29|30)\d{3}\.\d{3} ms from another CPU's: HPET is the clock`)
			l := decode[shell.Time](r, "time -json")
			require.Equal(t, "HPET", l.Clock)
			require.Less(t, l.UpNS, int64(25e9))
			require.Equal(t, "not compared: the time-stamp counter is not the clock", l.CPUs[0].State)
		})
	}
}
