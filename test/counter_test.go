//go:build qemu

package test

import (
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"muster/kernel/shell"
)

// Words for the command line that take counters away, and what remains.
const (
	noPM    = "fault=pm:still"
	noPIT   = "fault=pit:dead"
	noCMOS  = "fault=cmos:still"
	stillPM = "clock: ACPI PM timer: it stands still: not used\n"
)

var frequency = regexp.MustCompile(`clock: time-stamp counter at (\d+) kHz by (.+)\n`)

// tscKHz returns the frequency in the log, and its source.
func tscKHz(r *result) (kHz float64, source string) {
	r.t.Helper()
	m := frequency.FindStringSubmatch(r.log)
	require.NotNil(r.t, m, "no frequency in the log")
	n, err := strconv.Atoi(m[1])
	require.NoError(r.t, err)
	return float64(n), m[2]
}

// Each machine finds the frequency of its time-stamp counter by the best counter that it has
// and that counts: the same frequency on all, since the host is the same.
func TestClockSources(t *testing.T) {
	t.Parallel()
	usual := boot(t, "--cpus", "1", "--accel", "tcg", "--append", "loglevel=8", "--run", "uptime").ok()
	usual.has("clock: HPET: 64 bits at 100000 kHz\n", "clock: ACPI PM timer: 24 bits at 3579 kHz\n").lacks("% from what", "stands still")
	want, source := tscKHz(usual)
	require.Equal(t, "HPET", source)
	for name, tc := range map[string]struct {
		machine, words string
		source, says   string
		states         map[string]string // of sources
	}{
		"no HPET":                         {"q35,hpet=off", "", "ACPI PM timer", "", map[string]string{"HPET": "absent", "PIT": "agrees"}},
		"an HPET that stands still":       {"q35", "fault=hpet:still", "ACPI PM timer", "clock: HPET: it stands still: not used\n", map[string]string{"HPET": "it stands still", "PIT": "agrees"}},
		"PC without a PIT":                {"pc,pit=off", "", "HPET", "", map[string]string{"PIT": "it stands still", "ACPI PM timer": "agrees"}},
		"a PIT that never counts":         {"pc,hpet=off", noPIT, "ACPI PM timer", "", map[string]string{"PIT": "it stands still"}},
		"the PIT alone":                   {"q35,hpet=off", noPM, "PIT", stillPM, map[string]string{"ACPI PM timer": "it stands still", "HPET": "absent"}},
		"microvm":                         {"microvm", "", "PIT", "", map[string]string{"ACPI PM timer": "absent", "HPET": "absent", "CMOS clock": "not needed"}},
		"a wrong CPUID leaf, two against": {"q35", "fault=cpuid15:wrong", "HPET", "clock: CPUID 15H says 700000 kHz, ", map[string]string{"CPUID 15H": "refused: more sources agree with one another"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := boot(t, "--cpus", "1", "--accel", "tcg", "--machine", tc.machine, "--append", tc.words, "--run", "test timers; time -v; time -json").ok()
			r.has(tc.says, "chosen: "+tc.source+": ").lacks("options: fault=")
			kHz, source := tscKHz(r)
			require.Equal(t, tc.source, source)
			require.InEpsilon(t, want, kHz, 0.01)

			listing := decode[shell.Time](r, "time -json")
			require.Equal(t, source, listing.From)
			require.EqualValues(t, kHz, listing.Hz/1000)
			require.NotZero(t, listing.Timer.Hz)
			states := map[string]string{}
			for _, s := range listing.Sources {
				states[s.Name] = s.State
				require.Equal(t, s.State == "chosen" || s.State == "agrees" || strings.HasPrefix(s.State, "refused"), s.Hz != 0, "%+v", s)
			}
			require.Equal(t, "chosen", states[source])
			for name, state := range tc.states {
				require.Equal(t, state, states[name], name)
			}
		})
	}
}

// One counter against a CPUID leaf does not decide, but it is reported.
func TestClockDisagreement(t *testing.T) {
	t.Parallel()
	r := boot(t, "--cpus", "1", "--append", "fault=cpuid15:wrong "+noPM+" "+noPIT, "--run", "uptime").ok()
	r.has("clock: time-stamp counter at 700000 kHz by CPUID 15H\n").matches(`clock: HPET says \d+ kHz, \d+% from what CPUID 15H says\n`)
}

// Without any other source the second of the CMOS clock is the reference. A host that stops the
// virtual CPU for long at each of a few ends of seconds leaves nothing to measure with.
func TestClockByCMOS(t *testing.T) {
	t.Parallel()
	const waits = "waiting for the second of the CMOS clock\n"
	for name, args := range map[string][]string{
		"all counters dead": {"--machine", "q35,hpet=off", "--append", noPM + " " + noPIT},
		"no counters":       {"--machine", "microvm,pit=off,pic=off"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := boot(t, append(args, "--cpus", "1", "--run", "test timers; uptime")...).ok()
			r.has(waits).matches(`clock: time-stamp counter at \d+ kHz by CMOS clock\n|clock: CMOS clock: it does not count steadily: `)
		})
	}
}

// When even that clock stands still, the kernel says that its time means nothing, and runs.
func TestClockByNothing(t *testing.T) {
	t.Parallel()
	r := boot(t, "--cpus", "1", "--machine", "q35,hpet=off", "--append", noPM+" "+noPIT+" "+noCMOS, "--run", "test basics; uptime").ok()
	r.has(stillPM, "clock: CMOS clock: it stands still: the time-stamp counter is taken for one of 8000 MHz without a reason, so date and spans of time are wrong\n")
}

// QEMU's CPUs name no frequency, and HLT is their only idle state.
func TestFreq(t *testing.T) {
	t.Parallel()
	r := boot(t, "--cpus", "1", "--accel", "tcg", "--run", "freq; freq -json").ok()
	f := decode[shell.Freq](r, "freq -json")
	require.Zero(t, f.Base)
	require.Equal(t, "nothing: the CPU does not tell", f.From)
	require.Zero(t, f.Firmware.Named)
	require.Contains(t, r.output("freq"), "the kernel reads all this and drives none of it")
}

// After the boot, no channel of the PIT makes interrupts or counts for the kernel: channel 0 has mode 0,
// where firmware leaves mode 2, and the gate of channel 2 is closed.
func TestPITOff(t *testing.T) {
	t.Parallel()
	q, args := withQMP(t)
	s := start(t, append(args, "--cpus", "1", "--machine", "q35")...).expect("muster> ")
	const readBack, status, modeBits, gate = 0x43, 0xe2, 0x0e, 0x61
	q.setPort(readBack, status) // the status of channel 0
	require.Zero(t, q.port(0x40)&modeBits, "its mode")
	require.Zero(t, q.port(gate)&1, "the gate of channel 2")

	q.setPort(readBack, 0x34) // as firmware does: the test sees a mode that is not 0
	q.setPort(readBack, status)
	require.EqualValues(t, 2<<1, q.port(0x40)&modeBits)
	s.say("poweroff\r").end(0)
}
