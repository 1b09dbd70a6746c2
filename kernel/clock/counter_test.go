package clock

import (
	"sync/atomic"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"
)

// hpetBlock is an HPET in ordinary memory.
type hpetBlock [HPETBytes / 4]uint32

// block is a variable: a stack may move, and the code knows it by its address alone.
var block hpetBlock

func (b *hpetBlock) at() uintptr { return uintptr(unsafe.Pointer(b)) }

func TestUseHPET(t *testing.T) {
	defer func() { counters[HPET] = Counter{} }()
	const ich9 = 0x8086a201 // ID register of QEMU and of Intel's chipsets: 3 comparators, 64 bits
	for name, tc := range map[string]struct {
		caps, period uint32
		problem      string
		bits         uint8
		hz           uint64
	}{
		"QEMU, 100 MHz":        {ich9, 10_000_000, "", 64, 100_000_000},
		"Intel, 14.318 MHz":    {ich9 | 7<<hpetCapsTimers, 69_841_279, "", 64, 14_318_179},
		"Intel, 24 MHz":        {ich9 | 7<<hpetCapsTimers, 41_666_667, "", 64, 23_999_999},
		"32 bits":              {ich9 &^ hpetCaps64, 69_841_279, "", 32, 14_318_179},
		"no device":            {0xffffffff, 0xffffffff, "no device answers at its address", 0, 0},
		"a period of 0":        {ich9, 0, "its period is out of range", 32, 0},
		"slower than allowed":  {ich9, maxPeriod + 1, "its period is out of range", 32, 0},
		"faster than possible": {ich9, minPeriod - 1, "its period is out of range", 32, 0},
	} {
		counters[HPET] = Counter{}
		block = hpetBlock{hpetCaps / 4: tc.caps, hpetPeriodReg / 4: tc.period, hpetConfig / 4: hpetLegacy | 0x80}
		for i := range 32 {
			block[(hpetTimer+i*hpetStride)/4] = hpetTimerIRQ | 0xf0000030
		}
		require.Equal(t, tc.problem, UseHPET(block.at()), name)
		r := CounterOf(HPET)
		require.Equal(t, tc.problem == "", r.Usable(), name)
		require.Equal(t, tc.bits, r.Bits, name)
		if tc.problem != "" {
			require.Equal(t, uint32(hpetLegacy|0x80), block[hpetConfig/4], "%s: nothing is written", name)
			continue
		}
		require.Equal(t, tc.hz, r.Hz(), name)
		require.Equal(t, uint32(hpetEnable|0x80), block[hpetConfig/4], "%s: it runs, and replaces no other timer", name)
		last := int(tc.caps >> hpetCapsTimers & 0x1f)
		for i := range 32 {
			on := block[(hpetTimer+i*hpetStride)/4]&hpetTimerIRQ != 0
			require.Equal(t, i > last, on, "%s: comparator %d", name, i)
		}
		block[hpetMain/4], block[hpetMain/4+1] = 0xfffffff0, 7
		from := r.Read()
		require.Equal(t, uint64(0xfffffff0), from, "%s: the low half alone", name)
		block[hpetMain/4], block[hpetMain/4+1] = 0x10, 8
		require.Equal(t, uint64(0x20), r.Since(from, r.Read()), "%s: over the end", name)
	}
}

// Probe finds whether a counter counts.
func TestProbe(t *testing.T) {
	defer func() { counters[HPET] = Counter{} }()
	block = hpetBlock{hpetCaps / 4: 0x8086a201, hpetPeriodReg / 4: 10_000_000}
	require.Empty(t, UseHPET(block.at()))
	r := CounterOf(HPET)
	require.True(t, r.Usable(), "before it is probed")
	require.False(t, r.Probe())
	require.Equal(t, StandsStill, r.Problem)
	require.False(t, r.Probe(), "it stays out of use")

	r.Problem = ""
	var end atomic.Bool
	done := make(chan struct{})
	go func() {
		for !end.Load() {
			atomic.AddUint32(&block[hpetMain/4], 1)
		}
		close(done)
	}()
	for ok := false; !ok; ok = r.Probe() { // the goroutine may begin late
		r.Problem = ""
	}
	r.Freeze()
	require.False(t, r.Probe(), "the injected fault")
	end.Store(true)
	<-done
	require.False(t, CounterOf(PMTimer).Probe(), "it is absent")
}

// The PM timer has 24 or 32 bits, and may be in memory.
func TestPMTimer(t *testing.T) {
	defer func() { counters[PMTimer] = Counter{} }()
	reg := &block[0]
	for _, tc := range []struct {
		wide bool
		want uint64
	}{{false, 0xabcdef}, {true, 0x12abcdef}} {
		*reg = 0x12abcdef
		UsePMTimer(block.at(), true, tc.wide)
		require.Equal(t, tc.want, CounterOf(PMTimer).Read())
	}
	UsePMTimer(block.at(), true, false)
	r := CounterOf(PMTimer)
	require.Equal(t, uint64(0x20), r.Since(0xfffff0, 0x10), "24 bits wrap")
	require.True(t, near(0xfffffff0, 0x10))
	require.True(t, near(5, 5))
	require.False(t, near(0x10, 0x0f), "a reading before the other one")
	require.False(t, near(0, pmNear+1))
}

// The HPET as a timer: what is written.
func TestAlarm(t *testing.T) {
	defer func() { counters[HPET] = Counter{} }()
	counters[HPET] = Counter{}
	require.Equal(t, "there is none", StartAlarm())
	block = hpetBlock{hpetCaps / 4: hpetCaps64 | 2<<hpetCapsTimers, hpetPeriodReg / 4: 10_000_000} // 100 MHz
	require.Empty(t, UseHPET(block.at()))
	require.Equal(t, NoLegacyRoute, StartAlarm())
	block[hpetCaps/4] |= hpetLegacyCap
	block[hpetTimer/4] = hpetTimerLevel | hpetTimerPeriodic | hpetTimerFSB | 0x30
	block[hpetMain/4] = 1000
	require.Empty(t, StartAlarm())
	require.Equal(t, uint32(hpetTimer32|hpetTimerIRQ|0x30), block[hpetTimer/4])
	require.Equal(t, uint32(hpetEnable|hpetLegacy), block[hpetConfig/4])
	require.Equal(t, uint32(999), block[hpetCompare/4], "the farthest count")
	for d, want := range map[Time]uint32{Millisecond: 100_012, 0: 2000, -5: 2000, Never: 100_012_207} {
		SetAlarm(d)
		require.InDelta(t, 1000+want, block[hpetCompare/4], 3, d)
	}
	StopAlarm()
	require.Equal(t, uint32(hpetTimer32|0x30), block[hpetTimer/4])
	require.Equal(t, uint32(hpetEnable), block[hpetConfig/4])
	counters[HPET].Problem = StandsStill
	require.Equal(t, StandsStill, StartAlarm())
}

// An alarm is never early, though its frequency may be wrong by the calibration's bound, and though a count has begun. And
// each is far enough to be set in time, on the slowest HPET and on one that is too fast for a second in 31 bits.
func TestAlarmNotEarly(t *testing.T) {
	for _, hz := range []uint64{femto / maxPeriod, 14_318_179, 100_000_000, femto / minPeriod} {
		for d := Time(1); d < Second; d += d/7 + 1 {
			n := alarmIn(d, hz)
			require.Greater(t, n, uint32(alarmMargin))
			require.LessOrEqual(t, n, uint32(1<<30))
			if n < 1<<30 {
				require.GreaterOrEqual(t, float64(n-1)*1e9/float64(hz), float64(d)*(1+1e-4), "%d Hz, %d ns", hz, d)
			}
		}
	}
	require.True(t, inTime(100, 0xffffffff-100), "the counter wraps")
	require.True(t, inTime(alarmMargin, 0))
	require.False(t, inTime(alarmMargin-1, 0), "the store may not be in force yet")
	require.False(t, inTime(0, 1))
}
