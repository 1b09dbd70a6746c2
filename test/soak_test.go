//go:build qemu && soak

package test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"muster/kernel/shell"
)

// The long tests: make soak. Each is the long form of one in make test.

// All of the runtime's tests, at full length.
func TestSoakGoRuntime(t *testing.T) {
	exe := build(t, "test", "runtime")
	r := runApp(t, exe, []string{"-test.timeout=3h", "-test.skip=" + runtimeSkip()}, "--mem", "4096", "--timeout", "11000").ok()
	r.matches(`(?m)^PASS$`)
}

// The acts of TestContend on 1, 2 and 4 CPUs and on the debug kernel.
func TestSoakContend(t *testing.T) {
	exe := build(t, "build", "./testdata/contend")
	for _, x := range contentions {
		for name, options := range machines {
			t.Run(x.act+"/"+name, func(t *testing.T) { contend(t, exe, x, options...) })
		}
	}
}

// The cases of TestSharedCases on 1, 2 and 4 CPUs, on both kernels, ten times as long.
func TestSoakSharedCases(t *testing.T) {
	exes := buildShared(t)
	for name, tc := range sharedCases {
		for _, kernel := range []string{"kernel.elf", "kernel-debug.elf"} {
			for _, cpus := range []int{1, 2, 4} {
				t.Run(fmt.Sprintf("%s/%s/%d", name, kernel, cpus), func(t *testing.T) {
					runShared(t, exes[tc.program], tc, kernel, cpus, 10)
				})
			}
		}
	}
}

// tenMillion is ten million random system calls.
func tenMillion(seed uint64) fuzzRun {
	return fuzzRun{seed: seed, copies: 4, rounds: 25, threads: 6, calls: 100_000, timeout: 7200}
}

// Ten million random system calls, twice, with seeds of the time: a seed that fails is in
// the log.
func TestSoakSystemCallFuzzer(t *testing.T) {
	for run := range 2 {
		f := tenMillion(uint64(time.Now().UnixNano()) >> 10)
		t.Run(fmt.Sprint(run), func(t *testing.T) { covered(t, fuzz(t, f), 1000) })
	}
}

// A million random system calls on one CPU that counts instructions, twice.
func TestSoakFuzzedStretch(t *testing.T) {
	for run := range 2 {
		f := fuzzRun{seed: uint64(time.Now().UnixNano()) >> 10, copies: 3, rounds: 10, threads: 3, calls: 33_000, timeout: 7200, counted: true}
		t.Run(fmt.Sprint(run), func(t *testing.T) { fuzz(t, f) })
	}
}

// Each act of TestStretch with as many objects as a program can have, or as memory holds.
func TestSoakStretch(t *testing.T) {
	exe := build(t, "build", "./testdata/stretch")
	for _, act := range stretchActs {
		if act.soak != 0 {
			t.Run(act.name, func(t *testing.T) {
				stretched(t, "--mem", "4096", "--timeout", "3000", "--app", exe, act.name, strconv.Itoa(act.soak))
			})
		}
	}
}

// The same with threads on four CPUs, where a lock's holder may be another CPU. There the
// time with interrupts off is that of the host, so this looks for panics and hangs.
func TestSoakStretchOnFourCPUs(t *testing.T) {
	exe := build(t, "build", "./testdata/stretch")
	for _, act := range []string{"futex", "requeue", "event", "pipers", "epwait", "sleepers", "runners", "tasks", "killall", "exit"} {
		t.Run(act, func(t *testing.T) {
			boot(t, "--cpus", "4", "--mem", "4096", "--timeout", "3000", "--kernel", root+"/build/kernel-debug.elf", "--app", exe, act, "20000").ok().lacks("PANIC")
		})
	}
}

// Negative control: the same calls break a kernel in which a count that is zero is raised
// again.
func TestSoakFuzzerFindsBug(t *testing.T) {
	dir := t.TempDir()
	const file, old, bad = "kernel/refs/refs.go", "for n := r.n.Load(); n != 0; ", "for n := r.n.Load(); n != limit+1; "
	text, err := os.ReadFile(filepath.Join(root, file))
	require.NoError(t, err)
	require.Equal(t, 1, strings.Count(string(text), old))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "refs.go"), []byte(strings.Replace(string(text), old, bad, 1)), 0o644))
	tree, err := filepath.Abs(root)
	require.NoError(t, err)
	overlay := fmt.Sprintf(`{"Replace": {%q: %q}}`, filepath.Join(tree, file), filepath.Join(dir, "refs.go"))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "overlay.json"), []byte(overlay), 0o644))
	kernel := filepath.Join(dir, "kernel-debug.elf")
	cmd := exec.Command("make", "BUILD="+dir, "GOFLAGS=-overlay="+filepath.Join(dir, "overlay.json"), kernel)
	cmd.Dir = root
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)
	_, err = tenMillion(1).run(t, kernel)
	require.Error(t, err)
	require.Regexp(t, `refs: a reference|freed twice|after it was freed|in memory that was freed|vector, error 0xd|lock: .*deadf4ee`, err.Error(),
		"by package refs, or by the poison in what was freed")
}

// Boot after boot: none may fail.
func TestSoakBoots(t *testing.T) {
	for _, tc := range []struct{ cpus, boots int }{{4, 200}, {64, 20}} {
		t.Run(fmt.Sprint(tc.cpus), func(t *testing.T) {
			for i := range tc.boots {
				r := boot(t, "--cpus", fmt.Sprint(tc.cpus), "--mem", "1024", "--timeout", "120", "--run", "cpus; uptime").ok()
				r.has(fmt.Sprintf("smp: %d of %d CPUs online", tc.cpus, tc.cpus))
				require.False(t, t.Failed(), "boot %d", i+1)
			}
		})
	}
}

// Half an hour of everything at once, on both builds.
func TestSoakStress(t *testing.T) {
	for _, kernel := range []string{"kernel", "kernel-debug"} {
		t.Run(kernel, func(t *testing.T) {
			boot(t, "--kernel", root+"/build/"+kernel+".elf", "--mem", "1024", "--timeout", "2400",
				"--append", "GODEBUG=gccheckmark=1", "--run", "test stress 1800; mem").ok()
		})
	}
}

// Go's own tests in ring 3, at full length, many times over.
func TestSoakGoPackages(t *testing.T) {
	for _, p := range []string{"container/heap", "sort", "strings", "sync/atomic", "strconv", "math/bits"} {
		t.Run(p, func(t *testing.T) {
			exe := build(t, "test", p)
			r := runApp(t, exe, []string{"-test.count=3", "-test.timeout=1h"}, "--mem", "2048", "--timeout", "3700").ok()
			r.matches(`(?m)^PASS$`)
		})
	}
}

// The whole matrix of machines: all CPUs online, goroutines on each, every pair
// of them in calls. Above 255 CPUs QEMU requires interrupt remapping.
func TestSoakMatrix(t *testing.T) {
	many := []string{"--machine", "q35,kernel-irqchip=split", "--cpu", "max,+x2apic"}
	for name, args := range map[string][]string{
		"1": {"--cpus", "1"}, "2": {"--cpus", "2"}, "3": {"--cpus", "3"}, "4": {"--cpus", "4"}, "8": {"--cpus", "8"},
		"16": {"--cpus", "16"}, "64": {"--cpus", "64"}, "255": {"--cpus", "255"},
		"64 xAPIC": {"--cpus", "64", "--cpu", "max,-x2apic"}, "255 xAPIC": {"--cpus", "255", "--cpu", "max,-x2apic"},
		"288":  append([]string{"--append", "deadline-scale=144", "--qemu", "-device intel-iommu,intremap=on,eim=on -smp 288"}, many...),
		"512":  append([]string{"--append", "deadline-scale=256", "--qemu", "-device intel-iommu,intremap=on,eim=on -smp 512"}, many...),
		"gaps": {"--qemu", "-smp 30,sockets=2,cores=5,threads=3"},
	} {
		t.Run(name, func(t *testing.T) {
			r := boot(t, append(args, "--mem", "4096", "--timeout", "1200", "--run", "test cpus; test ipi; cpus -json")...).ok()
			for _, c := range decode[[]shell.CPU](r, "cpus -json") {
				require.Equal(t, "online", c.State, c.CPU)
			}
		})
	}
}
