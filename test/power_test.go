//go:build qemu

package test

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"muster/tools/patience"
)

// bare runs QEMU without the device that lets the kernel end it: the machine has
// to go off, or start again, by its own registers. It returns the serial log.
func bare(t *testing.T, run string, args ...string) string {
	t.Helper()
	qemu := os.Getenv("QEMU")
	if qemu == "" {
		qemu = "qemu-system-x86_64"
	}
	limit := patience.For(30 * time.Second)
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	args = append([]string{"-accel", "tcg", "-cpu", "max", "-m", "256", "-smp", "2", "-nodefaults", "-display", "none", "-serial", "stdio",
		"-kernel", root + "/build/kernel.elf", "-append", "deadline-scale=2 run=\"" + run + "\""}, args...)
	cmd := exec.CommandContext(ctx, qemu, args...)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	err := cmd.Run()
	require.NoError(t, ctx.Err(), "still on after %v\n%s", limit, &out)
	require.NoError(t, err, "%s", &out)
	return out.String()
}

// ACPI's S5, by PM1 control registers and, on microvm, by the sleep control register.
func TestPowerOffByACPI(t *testing.T) {
	for _, machine := range []string{"q35", "pc", "microvm"} {
		t.Run(machine, func(t *testing.T) {
			out := bare(t, "cpus; poweroff", "-machine", machine)
			require.Contains(t, out, "muster> poweroff")
			require.NotContains(t, out, "muster: off", "the line of a machine that stays on")
			if machine == "microvm" {
				require.Contains(t, out, "button: not used: the hardware is of the reduced kind")
			}
		})
	}
}

// Without ACPI the log says so, and the emulator's own port is left.
func TestPowerOffWithoutACPI(t *testing.T) {
	boot(t, "--machine", "pc,acpi=off", "--run", "poweroff").ok().has("power: no FADT")
}

// With -no-reboot a reset ends QEMU.
func TestResetByRegister(t *testing.T) {
	for _, machine := range []string{"q35", "pc", "pc,acpi=off", "microvm"} {
		t.Run(machine, func(t *testing.T) {
			require.Contains(t, bare(t, "reboot", "-machine", machine, "-no-reboot"), "muster> reboot")
		})
	}
}

// The power button ends the machine as poweroff does: at the prompt, and while a program runs in ring 3.
// The SCI is level-triggered, and active high on QEMU's machines.
func TestPowerButton(t *testing.T) {
	const ready = "button: by the SCI, GSI 9, level, active high\n"
	for name, tc := range map[string]struct {
		args  []string
		until string
	}{
		"prompt":  {[]string{"--machine", "q35"}, "muster> "},
		"program": {[]string{"--machine", "pc", "--app", build(t, "build", "./testdata/job"), "forever"}, "job forever: ready\n"},
	} {
		t.Run(name, func(t *testing.T) {
			q, socket := withQMP(t)
			s := start(t, append(socket, tc.args...)...)
			s.expect(tc.until)
			s.seen = 0
			s.expect(ready)
			q.do("system_powerdown", nil)
			s.expect("button: pressed, the machine goes off\n").expect("other CPUs stopped\n").end(0)
			require.NotContains(t, s.log(), "muster: off", "the line of a machine that stays on")
			require.NotContains(t, s.log(), "button: its interrupt is not used")
		})
	}
}
