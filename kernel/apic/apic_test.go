package apic

import (
	"runtime"
	"testing"
	"time"
	"unsafe"

	"github.com/stretchr/testify/require"

	"muster/kernel/abi"
	"muster/kernel/clock"
	"muster/kernel/cpu"
	"muster/kernel/mmio"
	"muster/kernel/percpu"
	"muster/kernel/vector"
	"muster/tools/patience"
)

// page makes an xapicRegs in ordinary memory the register page.
func page(t *testing.T) *xapicRegs {
	t.Helper()
	r := new(xapicRegs)
	Use(false, uintptr(unsafe.Pointer(r)))
	t.Cleanup(func() { runtime.KeepAlive(r) })
	clock.SetHz(1e9)
	return r
}

func TestSendXAPIC(t *testing.T) {
	r := page(t)
	to := &percpu.CPU{ID: 1, Processor: abi.Processor{APICID: 6}}
	SendVector(&percpu.CPU{}, to, 0xf3)
	require.Equal(t, uint32(6<<24), r.icrHi.v)
	require.Equal(t, uint32(0x40f3), r.icrLo.v)
	SendLogical(&percpu.CPU{}, 0x0b, 0xf2)
	require.Equal(t, uint32(0x0b<<24), r.icrHi.v, "CPUs 0, 1 and 3 of the flat model")
	require.Equal(t, uint32(0x48f2), r.icrLo.v)
	SendNMI(&percpu.CPU{}, to)
	require.Equal(t, uint32(0x4400), r.icrLo.v)
	require.Equal(t, OK, SendStartup(7, 0x9000))
	require.Equal(t, uint32(0x609), r.icrLo.v)
	require.Equal(t, uint32(7<<24), r.icrHi.v)
	require.Equal(t, OK, SendINIT(7))
	require.Equal(t, uint32(0x8500), r.icrLo.v, "ends with the de-assert")
}

// The first seven CPUs have a bit of the flat model; others are reached one by one.
func TestLogicalID(t *testing.T) {
	r := page(t)
	require.Equal(t, uint32(1<<3), logicalID(&percpu.CPU{ID: 3}))
	require.Equal(t, uint32(1<<27), r.ldr.v)
	require.Equal(t, uint32(0xffffffff), r.dfr.v)
	require.Zero(t, logicalID(&percpu.CPU{ID: 7}))
	require.Zero(t, r.ldr.v)
}

// Every interrupt is ended once, by its owner or, without one, here: otherwise it would
// block the vectors of its class and below. A spurious one has no end.
func TestUnclaimed(t *testing.T) {
	r := page(t)
	const owned, untouched = 0x55, 1
	claimed := false
	vector.Handle(owned, func(*percpu.CPU, *cpu.Frame) { claimed = true })
	Install()
	for v := uint64(vector.Exceptions); v < 256; v++ {
		if v == vector.Error {
			continue // its report goes to the serial port
		}
		r.eoi.v = untouched
		vector.Deliver(&percpu.CPU{}, &cpu.Frame{Vector: v})
		want := uint32(0)
		if v == owned || v == vector.Spurious {
			want = untouched
		}
		require.Equal(t, want, r.eoi.v, "vector %#x", v)
	}
	require.True(t, claimed)
}

// Each bit of the error status has a counter and a name.
func TestErrorCounts(t *testing.T) {
	counters := counterRoom[:]
	c := &percpu.CPU{Counts: uintptr(unsafe.Pointer(&counters[0]))}
	countErrors(c, 1<<5|1<<7)
	countErrors(c, 1<<7|1<<8)
	countErrors(&percpu.CPU{}, 1<<7) // no counters yet
	want := make([]uint64, abi.Counters)
	want[abi.CountErrors+5], want[abi.CountErrors+7] = 1, 2
	require.Equal(t, want, counters, "the others stay")
	require.Equal(t, "send illegal vector", ErrorName(5))
	require.Equal(t, "illegal register address", ErrorName(7))
}

// Of many errors some are logged.
func TestErrorReports(t *testing.T) {
	defer reports.Store(0)
	logged := 0
	for range 1 << 20 {
		if report() {
			logged++
		}
	}
	require.Equal(t, 10+17, logged, "the first ten, and 16, 32 to 2^20")
}

func TestStartupErrors(t *testing.T) {
	r := page(t)
	require.Equal(t, ErrBadEntry, SendStartup(1, 0x9001))
	require.Equal(t, ErrBadEntry, SendStartup(1, 1<<20))
	require.Equal(t, ErrBadID, SendStartup(255, 0x9000), "255 is the broadcast")
	require.Equal(t, ErrBadID, SendINIT(300))
	r.icrLo.v = icrPending
	require.Equal(t, ErrPending, SendStartup(1, 0x9000), "bounded wait")
}

// An SMI keeps the ICR busy for several milliseconds; then the IPI is sent.
func TestBusyForSMI(t *testing.T) {
	r := page(t)
	r.icrLo.v = icrPending
	free := time.AfterFunc(patience.For(8*time.Millisecond), func() { mmio.Store32(uintptr(unsafe.Pointer(&r.icrLo)), 0) })
	defer free.Stop()
	SendVector(&percpu.CPU{}, &percpu.CPU{ID: 1, Processor: abi.Processor{APICID: 6}}, 0xf3)
	require.Equal(t, uint32(0x40f3), r.icrLo.v)
}

// A deadline that has passed during an SMI of this CPU does not end the wait: the ICR is
// read again.
func TestBusyAfterDeadline(t *testing.T) {
	r := page(t)
	clock.SetHz(1) // each deadline passes at once
	r.icrLo.v = icrPending
	began := cpu.TSC()
	require.False(t, accepted(), "and it ends")
	require.Greater(t, cpu.TSC()-began, uint64(icrReads), "after some reads")
}

func TestEncodeX2(t *testing.T) {
	require.Equal(t, uint64(0x0000012c_000000f1), encodeX2(300, 0xf1))
}

func TestCounts(t *testing.T) {
	setTimerHz(62_500_000, 0)
	require.Equal(t, uint32(1), counts(-5))
	require.Equal(t, uint32(1), counts(1))
	require.Equal(t, uint32(625001), counts(10*clock.Millisecond))
	require.Equal(t, uint32(0xffffffff), counts(1000*clock.Second))
}

// The timer is never early: a count takes at least the time, whatever the time is.
func TestNeverEarly(t *testing.T) {
	for _, hz := range []uint64{1_000_003, 6_249_999, 62_500_000, 399_999_991} {
		setTimerHz(hz, 0)
		for d := clock.Time(1); d < clock.Second; d += d/7 + 1 {
			require.GreaterOrEqual(t, float64(counts(d))*1e9/float64(hz), float64(d), "%d Hz, %d ns", hz, d)
		}
	}
	setTimerHz(62_500_000, 100)
	require.Equal(t, uint32(625063), counts(10*clock.Millisecond), "the calibration's error is added")
	for d := clock.Time(1); d < 54*clock.Millisecond; d += d/7 + 1 {
		require.GreaterOrEqual(t, float64(legacyCounts(d))*1e9/pitHz, float64(d), "%d ns", d)
	}
}

func TestRedirection(t *testing.T) {
	lo, hi := redirection(0x34, 5, true, true)
	require.Equal(t, uint32(0xa034), lo)
	require.Equal(t, uint32(5<<24), hi)
	lo, _ = redirection(0x30, 0, false, false)
	require.Equal(t, uint32(0x30), lo)
}

// window is a variable: a stack may move, and the code knows the memory by its address
// alone.
var window [8]uint32

// The registers here are memory, so the window does not follow the index. That is enough
// to check that Init masks its inputs and that inputs are told apart.
func TestIOAPICHas(t *testing.T) {
	window = [8]uint32{}
	var a IOAPIC
	a.Init(&percpu.CPU{}, uintptr(unsafe.Pointer(&window)), 1, 24)
	require.True(t, a.Has(24))
	require.False(t, a.Has(23))
	require.False(t, a.Has(24+a.Inputs))
}

// An input that the firmware uses for SMIs stays as it is; others are masked. The data
// register of this fake is one word: the version, and every entry.
func TestIOAPICLeavesSMI(t *testing.T) {
	const data = ioWindow / 4
	for mode, kept := range map[uint32]bool{0: false, redirModeSMI: true, 4 << 8: false, redirModeSMI | redirMasked: true} {
		window = [8]uint32{data: mode | 2<<16}
		var a IOAPIC
		a.Init(&percpu.CPU{}, uintptr(unsafe.Pointer(&window)), 1, 0)
		require.Equal(t, kept, window[data] == mode|2<<16, "mode %#x", mode)
		require.Equal(t, kept, a.Firmware(&percpu.CPU{}, 1))
	}
}

// Enable masks every entry of the local vector table that the APIC has.
func TestMaskLocal(t *testing.T) {
	entries := func(r *xapicRegs) []uint32 {
		return []uint32{r.lvtTimer.v, r.lvtLINT0.v, r.lvtLINT1.v, r.lvtPerf.v, r.lvtTherm.v, r.lvtCMCI.v}
	}
	for last, want := range map[uint32][]uint32{
		3: {lvtMasked, lvtMasked, lvtMasked, 0, 0, 0},
		5: {lvtMasked, lvtMasked, lvtMasked, lvtMasked, lvtMasked, 0},
		6: {lvtMasked, lvtMasked, lvtMasked, lvtMasked, lvtMasked, lvtMasked},
	} {
		r := page(t)
		r.version.v = last << 16
		maskLocal()
		require.Equal(t, want, entries(r), "last entry %d", last)
	}
}

// counterRoom is a variable: a stack may move, and the code knows the memory by its address
// alone.
var counterRoom [abi.Counters]uint64
