package clock

import "math/bits"

// watchdog looks whether the time-stamp counter (TSC) goes on counting as it did. Between two readings
// of it and of the reference lies a window; in each, both must have counted the same time. A TSC that
// stops while a CPU is idle, changes its rate, or is written by firmware does not.
//
// A reading is made between two of the TSC, and a wide one is not used (widest), so a virtual CPU that
// its host stops in between only makes the window longer: what is compared is exact to twice half of
// that width. And one window condemns nothing, because the machine itself may have been stopped, with
// one of the two counters.
type watchdog struct {
	state      WatchState
	begun      bool
	tsc, count uint64 // the reading at which the window began
	still      bool   // the reference has not counted in a whole window
	history    uint8  // the last windows, the latest in bit 0; 1: a bad one
	windows    uint64
	bad        uint64
	apart      Time // in the latest bad window: by how much the TSC was ahead of the reference
	over       Time // its length, by the reference
	agreed     Time // in good windows since the latest bad one
}

// WatchState says whether the watchdog looks.
type WatchState uint8

// States of the watchdog. The first one becomes WatchNone if there is no reference.
const (
	WatchOn      WatchState = iota
	WatchSteady             // stopped: the CPU says that its TSC is invariant, and it has agreed for steadyTime
	WatchTrusted            // stopped by TrustTSC
	WatchLeft               // the TSC was found to disagree, and is the clock no longer
	WatchNone               // there is no counter to compare with
)

const (
	// leastWindow: at 100 ms, two readings of the largest width would be a thousandth.
	leastWindow = Second / 2
	// leastApart is five times what two readings of the largest width may be wrong by.
	leastApart = 5 * widest
	// Beyond this part of a window, the TSC disagrees: at first what is a disagreement of the
	// calibration, since its frequency may be wrong by that. When the frequency was measured over
	// learnSpan, a thousandth, because the clock follows no larger change (toward). Real TSCs drift by
	// less than a millionth, and the clock of an emulated reference is slewed by half a
	// thousandth at most.
	learnPPM  = agreePPM
	exactPPM  = 1000
	learnSpan = 8 * Second
	// mostBad of the last 8 windows condemn the TSC.
	mostBad = 3
	// steadyTime without a bad window lets an invariant TSC off.
	steadyTime = 60 * Second
)

// look takes a reading, and reports whether it ends a bad window. rate is the TSC's in seconds per
// tick, and ppm the part of the window by which they may be apart. ticks and counts are the window's.
func (w *watchdog) look(f *follower, s sample, rate, ppm uint64) (bad bool, ticks, counts uint64) {
	if !w.begun {
		w.restart(s)
		return false, 0, 0
	}
	ticks, counts = s.tsc-w.tsc, f.ref.Since(w.count, s.count)
	if w.still = counts == 0 && signed(ticks, rate) >= leastWindow; w.still {
		return false, 0, 0
	}
	mine, other := signed(ticks, rate), product(counts, f.per).time()
	if max(mine, -mine, other) < leastWindow {
		return false, 0, 0
	}
	w.restart(s)
	limit := leastApart + max(mine, -mine, other)/1e6*Time(ppm)
	if limit > f.wrap/4 { // the reference has wrapped too often to tell
		return false, 0, 0
	}
	d := nearest(mine-other, f.wrap)
	bad = max(d, -d) > limit
	w.note(bad, d, other)
	return bad, ticks, counts
}

func (w *watchdog) restart(s sample) { w.begun, w.tsc, w.count = true, s.tsc, s.count }

// stands looks whether the reference stands still, where nothing else is compared: the clock would become ever slower
// to agree with it.
func (w *watchdog) stands(f *follower, s sample, rate uint64) {
	if !w.begun || f.ref.Since(w.count, s.count) != 0 {
		w.restart(s)
		return
	}
	w.still = signed(s.tsc-w.tsc, rate) >= leastWindow
}

// note counts a window.
func (w *watchdog) note(bad bool, apart, over Time) {
	w.windows++
	w.history <<= 1
	if !bad {
		w.agreed += over
		return
	}
	w.bad++
	w.history |= 1
	w.apart, w.over, w.agreed = apart, over, 0
}

// missing notes that there is nothing to compare with.
func (w *watchdog) missing() {
	if w.state == WatchOn {
		w.state = WatchNone
	}
}

// condemns reports whether there were too many bad windows.
func (w *watchdog) condemns() bool { return bits.OnesCount8(w.history) >= mostBad }

// signed returns the time of ticks, which may be negative: a TSC that was set back.
func signed(ticks, rate uint64) Time {
	if int64(ticks) < 0 {
		return -product(-ticks, rate).time()
	}
	return product(ticks, rate).time()
}

// nearest returns d without whole turns of the reference: it wraps any number of times in a window
// that is late, and if the TSC is wrong it does not tell how late.
func nearest(d, wrap Time) Time {
	d %= wrap
	switch {
	case d > wrap/2:
		d -= wrap
	case d < -wrap/2:
		d += wrap
	}
	return d
}

// watch looks at a reading that the follower has taken. rate is what the follower had measured before, 0 for nothing, boot
// the rate of the boot, and agreed says that it agreed with the reference then. good is false if the
// window was bad: the rate must stay. condemned says that the TSC has to be left.
//
// Context: keeper.busy is 1.
func (w *watchdog) watch(f *follower, s sample, rate, boot uint64, agreed bool) (good, condemned bool) {
	if f.tsc != s.tsc { // it was too wide for the follower
		return true, false
	}
	if w.state != WatchOn {
		w.stands(f, s, boot)
		return !w.still, false
	}
	ppm := uint64(exactPPM)
	if rate == 0 || product(f.counts, f.per).time() < learnSpan && !f.forgot {
		if rate, ppm = boot, learnPPM; !agreed {
			w.restart(s) // the frequency is not known
			return true, false
		}
	}
	bad, ticks, counts := w.look(f, s, rate, ppm)
	switch {
	case w.still: // then it is not the TSC that is wrong
		return false, false
	case bad:
		f.exclude(ticks, counts)
		return false, w.condemns()
	case invariant && w.agreed >= steadyTime:
		w.state = WatchSteady
	}
	return true, false
}

// invariant says that the CPUs say that their TSC counts at one rate in all states of power.
var invariant bool

// SetInvariant says that CPUID has the bit of the invariant TSC.
//
// Context: boot CPU, before others start.
func SetInvariant() { invariant = true }

// TrustTSC makes nothing compare the TSC any more.
//
// Context: as SetInvariant.
func TrustTSC() { keeper.watch.state = WatchTrusted }

// Trusted reports whether TrustTSC was called.
func Trusted() bool { return keeper.watch.state == WatchTrusted }

// drift is an injected fault: from the first check on, the TSC counts by so much too fast, in
// millionths, as the timekeeper sees it.
var drift struct {
	ppm   uint64
	begun bool
	from  uint64
}

// driftPPM is the fault's: a TSC of a CPU whose frequency changes is off by more.
const driftPPM = 50_000

// DriftTSC injects that fault.
//
// Context: as SetInvariant.
func DriftTSC() { drift.ppm = driftPPM }

// drifted returns a reading with the injected fault.
func drifted(s sample) sample {
	if drift.ppm == 0 {
		return s
	}
	if !drift.begun {
		drift.begun, drift.from = true, s.tsc
	}
	s.tsc += mulDiv(s.tsc-drift.from, drift.ppm, 1e6)
	return s
}
