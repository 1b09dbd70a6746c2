//go:build qemu

package test

import "testing"

// Counters of time that stand still are reported and not used.
func TestCountersStill(t *testing.T) {
	t.Parallel()
	r := boot(t, "--cpus", "1", "--append", "fault=hpet:still fault=pm:still", "--run", "test timers; uptime").ok()
	r.has("clock: HPET: it stands still: not used\n", "clock: ACPI PM timer: it stands still: not used\n").lacks("options: fault=")
	boot(t, "--cpus", "1", "--append", "loglevel=8", "--run", "uptime").ok().has("clock: HPET: 64 bits at 100000 kHz\n", "clock: ACPI PM timer: 24 bits at 3579 kHz\n")
	boot(t, "--cpus", "1", "--machine", "q35,hpet=off", "--run", "uptime").ok().lacks("HPET", "it stands still")
}
