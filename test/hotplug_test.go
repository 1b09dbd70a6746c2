//go:build qemu

package test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"muster/kernel/shell"
)

// CPUs go offline and come online, one and all, and everything works in between. What cannot be is refused.
func TestHotplug(t *testing.T) {
	t.Parallel() // it mostly waits
	r := boot(t, "--mem", "512", "--run", "cpu offline 0; cpu offline 3; cpus -json; cpu offline 3; cpu offline 4; cpu online 3; cpu online 3; "+
		fmt.Sprintf("test hotplug %d; ", length(4, 20))+
		"cpu offline all; cpus --json; test basics; test ipi; cpu online 1-3; cpus  -json; test ipi; test tlb; test cpus; test mitigations")
	require.Equal(t, 1, r.status, "four commands fail: %s", r.stderr)
	r.has("cpu: cpu 0 is the boot CPU", "cpu: cpu 3 is offline already", "cpu: there is no CPU 4", "cpu: cpu 3 is online already",
		"ok   hotplug", "ok   basics", "ok   ipi", "ok   tlb", "ok   cpus", "ok   mitigations")
	require.Equal(t, map[string]int{"online": 3, "offline": 1}, states(decode[[]shell.CPU](r, "cpus -json")))
	require.Equal(t, map[string]int{"online": 1, "offline": 3}, states(decode[[]shell.CPU](r, "cpus --json")))
	require.Equal(t, map[string]int{"online": 4}, states(decode[[]shell.CPU](r, "cpus  -json")))
}

// The same in xAPIC mode, and with interrupts that are lost or late.
func TestHotplugOnOtherMachines(t *testing.T) {
	for name, args := range map[string][]string{
		"xAPIC":      {"--cpu", "max,-x2apic"},
		"lost IPIs":  {"--append", "fault=ipi:drop=1/7"},
		"debug":      {"--kernel", root + "/build/kernel-debug.elf"},
		"sparse ids": {"--qemu", "-smp 6,sockets=2,cores=3,threads=1"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			boot(t, append(args, "--mem", "512", "--run", fmt.Sprintf("test hotplug %d; cpu offline all; cpu online all; test ipi", length(2, 10)))...).ok()
		})
	}
}

// A CPU that maxcpus left out comes online by the same command.
func TestHotplugOfCPUsLeftOut(t *testing.T) {
	r := boot(t, "--append", "maxcpus=2", "--run", "cpu online 3; cpus -json; cpu offline 3; cpu online 2-3; cpus --json; test cpus").ok()
	require.Equal(t, map[string]int{"online": 3, "offline": 1}, states(decode[[]shell.CPU](r, "cpus -json")))
	require.Equal(t, map[string]int{"online": 4}, states(decode[[]shell.CPU](r, "cpus --json")))
}

// A program that computes, sleeps and reads the clock on all CPUs notices nothing but their number.
func TestHotplugUnderProgram(t *testing.T) {
	t.Parallel()
	seconds := length(4, 30)
	image := stick(t, build(t, "build", "./testdata/plug"), map[string]string{
		"muster.cfg": text(t, fmt.Sprintf("run=\"run plug %d &; test hotplug %d; wait; test cpus\"\n", seconds, seconds))})
	r := boot(t, "--boot", "bios", "--image", image, "--cpus", "4", "--mem", "512").ok()
	r.matches(`plug: [1-9]\d* rounds, 0 wrong`).has("ok   hotplug", "ok   cpus")
}
