package apic

import (
	"testing"

	"github.com/stretchr/testify/require"

	"muster/kernel/clock"
	"muster/kernel/vector"
)

func TestDeadlineBroken(t *testing.T) {
	tests := map[string]struct {
		signature, microcode uint32
		need                 uint32
		broken               bool
	}{
		"Skylake, old":                  {0x506e3, 0xb1, 0xb2, true},
		"Skylake, right":                {0x506e3, 0xb2, 0xb2, false},
		"Haswell server, stepping 2":    {0x306f2, 0x39, 0x3a, true},
		"Haswell server, another one":   {0x306f3, 0xffff, ^uint32(0), true},
		"Skylake server, stepping 4":    {0x50654, 0x02000014, 0x02000014, false},
		"Skylake server, stepping 7":    {0x50657, 0, 0, false},
		"Skylake server, engineering":   {0x50652, 0x05000000, ^uint32(0), true},
		"Ice Lake, not in the table":    {0x706e5, 0, ^uint32(0), false},
		"family 15":                     {0x00f3e, 0, 0, false},
		"the model has an upper half 9": {0x906ea, 0x51, 0x52, true},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			need, broken := DeadlineBroken(tc.signature, tc.microcode)
			require.Equal(t, tc.broken, broken)
			require.Equal(t, tc.need, need)
		})
	}
}

// What the modes write to the local vector table and the count, and what the faults change.
func TestTimerModes(t *testing.T) {
	defer func(hz uint64, ratio, above clock.Ratio) { timerHz, perNS, enough = hz, ratio, above }(timerHz, perNS, enough)
	defer func() { UseTimer(OneShot, 0); SetTimerFault(false, 0) }()
	setTimerHz(1e9, 0)
	for name, tc := range map[string]struct {
		mode       TimerMode
		dead       bool
		late       clock.Time
		lvt, start uint32
		armed      uint32
	}{
		"one-shot":       {mode: OneShot, lvt: vector.Timer, armed: 5001},
		"one-shot, late": {mode: OneShot, late: 2 * clock.Microsecond, lvt: vector.Timer, armed: 7001},
		"one-shot, dead": {mode: OneShot, dead: true, lvt: vector.Timer},
		"periodic":       {mode: Periodic, lvt: vector.Timer | 1<<17, start: 10000, armed: 10000},
		"periodic, dead": {mode: Periodic, dead: true, lvt: vector.Timer | 1<<17},
	} {
		t.Run(name, func(t *testing.T) {
			r := page(t)
			UseTimer(tc.mode, 10*clock.Microsecond)
			SetTimerFault(tc.dead, tc.late)
			StartTimer()
			require.Equal(t, tc.lvt, r.lvtTimer.v)
			require.Equal(t, tc.start, r.initial.v)
			ArmTimer(5 * clock.Microsecond)
			require.Equal(t, tc.armed, r.initial.v)
		})
	}
}

func TestModeNames(t *testing.T) {
	for m, want := range map[TimerMode]string{OneShot: "one-shot", Deadline: "TSC deadline", Periodic: "periodic", Shared: "8254, shared by all CPUs", SharedHPET: "HPET, shared by all CPUs"} {
		require.Equal(t, want, m.String())
	}
}
