//go:build qemu && soak

package test

import (
	"fmt"
	"testing"

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
