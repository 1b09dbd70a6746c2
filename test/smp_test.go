//go:build qemu

package test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"muster/kernel/shell"
	"muster/trampoline"
)

// states returns how many CPUs are in each state.
func states(cpus []shell.CPU) map[string]int {
	n := map[string]int{}
	for _, c := range cpus {
		n[c.State]++
	}
	return n
}

// A CPU that halts at any stage of its start is named with that stage, and the
// machine runs on with the others: TLB flushes, which wait for every CPU, too.
func TestFaultStages(t *testing.T) {
	for k := uint32(1); k <= trampoline.StageIdleLoop; k++ {
		t.Run(trampoline.StageName(k), func(t *testing.T) {
			r := boot(t, "--append", fmt.Sprintf("fault=ap2:stage%d", k), "--run", "cpus -json; test tlb; test cpus").ok()
			r.matches(fmt.Sprintf(`smp: cpu 2 \(APIC ID 2\): silent for [\d.]+s, last stage %d \(%s\)`, k, trampoline.StageName(k)))
			r.has("smp: 3 of 4 CPUs running")
			require.Equal(t, map[string]int{"running": 3, "booting": 1}, states(decode[[]shell.CPU](r, "cpus -json")))
		})
	}
}

func TestFaultSilent(t *testing.T) {
	r := boot(t, "--append", "fault=ap1:silent fault=ap3:silent", "--run", "cpus -json; test tlb").ok()
	r.has("smp: cpu 1 (APIC ID 1): silent", "smp: cpu 3 (APIC ID 3): silent", "smp: 2 of 4 CPUs running")
	require.Equal(t, map[string]int{"running": 2, "booting": 2}, states(decode[[]shell.CPU](r, "cpus -json")))
}

// A CPU that is late but within the limit is like any other; one that comes after
// it was reported is taken in.
func TestFaultLate(t *testing.T) {
	r := boot(t, "--append", "fault=ap1:late=300", "--run", "cpus -json").ok()
	r.has("smp: 4 of 4 CPUs running").lacks("silent")
	r = boot(t, "--append", "fault=ap3:late=4500", "--run", "test stress 3; cpus -json; test cpus").ok()
	r.matches(`smp: cpu 3 \(APIC ID 3\): silent for 4[\d.]*s, last stage 6 \(Control\)`,
		`smp: cpu 3 \(APIC ID 3\) is late, and running, \d+\.\d ms after the others`)
	require.Equal(t, map[string]int{"running": 4}, states(decode[[]shell.CPU](r, "cpus -json")))
}

// Messages that are lost, doubled or late cost time, and nothing else.
func TestFaultIPI(t *testing.T) {
	for _, f := range []string{"drop=1/4", "dup=1/2", "delay=300"} {
		t.Run(strings.ReplaceAll(f, "/", ":"), func(t *testing.T) {
			boot(t, "--append", "fault=ipi:"+f, "--timeout", "120", "--run", "test; test stress 5").ok().has("smp: 4 of 4 CPUs running")
		})
	}
}

func TestSerialStart(t *testing.T) {
	boot(t, "--append", "smp=serial", "--run", "test cpus").ok().has("smp: 4 of 4 CPUs running")
}

func TestBadFault(t *testing.T) {
	boot(t, "--append", "fault=ap2:stage99", "--run", "cpus").ok().
		has("options: fault=ap2:stage99: stage99: stages are 1 to 14, ignored", "smp: 4 of 4 CPUs running")
}

// Every CPU calls every CPU, in the older APIC mode too, and when messages fail.
func TestCrossCalls(t *testing.T) {
	for name, args := range map[string][]string{
		"x2APIC": {"--cpus", "8"}, "xAPIC": {"--cpu", "max,-x2apic"}, "one CPU": {"--cpus", "1"},
		"lost": {"--append", "fault=ipi:drop=1/7"}, "doubled": {"--append", "fault=ipi:dup=1/2"},
	} {
		t.Run(name, func(t *testing.T) {
			boot(t, append(args, "--timeout", "120", "--run", "test ipi; irq")...).ok()
		})
	}
}

// All CPUs call all others for a while, with messages that are late.
func TestCrossStorm(t *testing.T) {
	boot(t, "--append", "fault=ipi:delay=50", "--timeout", "120", "--run", "test storm 30; irq").ok()
	boot(t, "--kernel", root+"/build/kernel-debug.elf", "--timeout", "120", "--run", "test storm 5; test ipi").ok()
}

// The time line has every stage of every CPU, in order, behind INIT and start-up.
func TestBringUpTimes(t *testing.T) {
	r := boot(t, "--cpus", "6", "--run", "smp trace -json; smp trace").ok()
	rows := decode[[]shell.BringUp](r, "smp trace -json")
	require.Len(t, rows, 5)
	for i, row := range rows {
		require.Equal(t, i+1, row.CPU)
		at := map[string]float64{}
		for _, s := range row.Steps {
			if _, twice := at[s.Name]; !twice {
				at[s.Name] = s.Micros
			}
		}
		require.GreaterOrEqual(t, at["INIT"], 0.0)
		require.Greater(t, at["SIPI"], at["INIT"])
		last := at["SIPI"]
		for k := uint32(1); k <= trampoline.StageIdleLoop; k++ {
			us, ok := at[trampoline.StageName(k)]
			require.True(t, ok, "cpu %d: no time of %s", row.CPU, trampoline.StageName(k))
			require.GreaterOrEqual(t, us, last, "cpu %d: %s", row.CPU, trampoline.StageName(k))
			last = us
		}
		require.GreaterOrEqual(t, at["seen running"], at["seen online"])
	}
	require.Contains(t, r.output("smp trace"), "cpu 5, APIC ID 5, us: INIT ")
}
