//go:build qemu

package test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"muster/kernel/shell"
	"muster/kernel/vector"
)

// A timer of the local APIC that does nothing, or is late, is found at boot: all CPUs get
// their ticks from the 8254, and time goes on.
func TestTimerFaults(t *testing.T) {
	for fault, says := range map[string]string{
		"dead":                    "irq: timer of the local APIC, one-shot: does not come to its end\n",
		"late=5 fault=hpet:still": "irq: timer of the local APIC, one-shot: is late by ", // beside another fault
	} {
		t.Run(fault, func(t *testing.T) {
			t.Parallel()
			boot(t, "--cpus", "4", "--append", "fault=timer:"+fault, "--run", "test timers; test threads; test preempt; time -v").
				ok().has(says, "irq: timer: 8254, shared by all CPUs\n", "ok   timers", "ok   preempt",
				"timer interrupts: 8254, shared by all CPUs\n", "MHz    interrupts as the CPUs' timer\n", "timer of the local APICs: not used, ")
		})
	}
}

// A fault that is reported as ignored is ignored.
func TestTimerFaultIgnored(t *testing.T) {
	boot(t, "--cpus", "2", "--append", "fault=timer:late=99999", "--run", "test timers").
		ok().has(`options: fault=timer:late=99999: "late=99999": a timer can be dead, or late=MS with MS from 1 to 1000, ignored`, "irq: timer: one-shot\n")
}

// Without an 8254 the HPET interrupts in its place. A machine with neither says so.
func TestTimerOfHPET(t *testing.T) {
	for machine, qemu := range map[string]string{"q35": "-machine q35,pit=off", "pc": "-machine pc,pit=off"} {
		t.Run(machine, func(t *testing.T) {
			t.Parallel()
			boot(t, "--cpus", "4", "--append", "fault=timer:dead", "--qemu", qemu, "--run", "test timers; test threads; test preempt; test hotplug 1; irq").
				ok().has("irq: timer: HPET, shared by all CPUs\n", "ok   timers", "ok   preempt", "ok   hotplug", "HPET timer").lacks("8254 timer")
		})
	}
	t.Run("neither", func(t *testing.T) {
		t.Parallel()
		boot(t, "--cpus", "1", "--append", "fault=timer:dead", "--qemu", "-machine q35,pit=off,hpet=off", "--run", "time").
			has("irq: there is no other timer: nothing interrupts a thread that runs\n")
	})
}

// The timer's mode by option.
func TestTimerModes(t *testing.T) {
	for option, says := range map[string]string{"periodic": "irq: timer: periodic\n", "oneshot": "irq: timer: one-shot\n", "deadline": "irq: timer: one-shot\n"} {
		t.Run(option, func(t *testing.T) {
			t.Parallel()
			boot(t, "--cpus", "2", "--append", "timer="+option, "--run", "test timers; test threads; time -v").
				ok().has(says, "timer interrupts: "+strings.TrimPrefix(says, "irq: timer: "), "ok   timers") // QEMU's own CPUs have no TSC deadline
		})
	}
}

// The timer is not early: an idle CPU wakes up once for its heartbeat, at a whole second, and not once more before it.
func TestTimerNotEarly(t *testing.T) {
	t.Parallel()
	r := boot(t, "--icount", "--run", "test idle 2; trace 512 -kind interrupt -json") // the test of idleness is for several CPUs
	const second = 1e9
	beats := 0
	for _, e := range decode[[]shell.Event](r, "trace 512 -kind interrupt -json") {
		since := e.TimeNS % second
		if e.A == vector.Timer && since < 1e6 {
			beats++
		}
		require.False(t, e.A == vector.Timer && since > second-50e3, "%+v", e)
	}
	require.Greater(t, beats, 1)
}
