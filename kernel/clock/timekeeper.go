package clock

import "muster/kernel/atom"

// The timekeeper is the CPU that changes the page. A goroutine requests a check now and then, and
// the check runs on the timekeeper.

var keeper struct {
	cpu    atom.Uint32 // its number
	busy   atom.Uint32 // 1: a check runs
	follow follower    // guarded by busy
	watch  watchdog    // guarded by busy
	next   Time        // when the next check is due after the last, 0 for never; guarded by busy
}

// Timekeeper returns the number of the CPU on which Keep runs.
func Timekeeper() uint32 { return keeper.cpu.Load() }

// MoveTimekeeper makes another CPU the timekeeper: before the present one goes offline, for
// example. A check that runs meanwhile ends where it began.
//
// Context: any CPU.
func MoveTimekeeper(cpu uint32) { keeper.cpu.Store(cpu) }

// soonChecks is how many checks come soon one after the other.
const soonChecks = 8

// keepEvery returns the time from one check to the next, given how many there have been.
func keepEvery(checks uint64, wrap Time) Time {
	if checks < soonChecks {
		return Second
	}
	return min(8*Second, wrap/4)
}

// Keep makes a check: it compares the clock with the reference, and corrects the rate.
//
// Context: the timekeeper, interrupts off; takes as long as 8 readings of the reference.
func Keep() {
	if !keeper.busy.CompareAndSwap(0, 1) {
		return // the timekeeper has just moved
	}
	f := &keeper.follow
	if page.source.Load() == sourceCall {
		keeper.next = 0
		if second.ref != nil {
			second.now() // renews the base before the counter wraps
			keeper.next = keepEvery(soonChecks, product(second.ref.Mask, second.per).time())
		}
		keeper.busy.Store(0)
		return
	}
	if f.ref == nil {
		if ref := reference(); ref != nil {
			f.follow(ref)
		}
	}
	if f.ref == nil {
		keeper.watch.missing()
		keeper.next = 0
	} else {
		check(f, &keeper.watch)
	}
	keeper.busy.Store(0)
}

// check compares the clock with the reference, and corrects it or leaves the TSC.
//
// Context: as Keep; keeper.busy is 1.
func check(f *follower, w *watchdog) {
	keeper.next = keepEvery(f.checks, f.wrap)
	p := page
	s := drifted(machine.tightest(f.ref))
	old, measured := p.rate.Load(), f.rate
	rate := f.step(s, p.clock(monotonic, s.tsc), old, keeper.next)
	good, condemned := w.watch(f, s, measured, p.raw.rate.Load(), agreesAtBoot(f.ref.Kind))
	switch {
	case w.still:
		f.ref.died.Store(1)
		f.ref, w.begun, w.still = nil, false, false // the next check finds another one
	case condemned && leave(0, f.target(), false):
		w.state = WatchLeft
	case !good:
		keeper.next = min(Second, keeper.next) // until it is clear
	case rate != old:
		p.adjust(rate)
	}
}

// agreesAtBoot reports whether the calibration found a reference to agree with the frequency that it chose.
func agreesAtBoot(k Kind) bool {
	s := FromHPET + Source(k)
	return calibration.Says(s) && !calibration.Disagrees(s)
}

// reference returns the counter to compare with, nil if no CPU but the boot CPU could read one.
func reference() *Counter {
	for _, k := range [2]Kind{HPET, PMTimer} {
		if r := CounterOf(k); r.Usable() {
			return r
		}
	}
	return nil
}

// Keeping is what the timekeeper has found.
type Keeping struct {
	CPU       uint32
	Reference Kind // Kinds: none
	Checks    uint64
	Hz        uint64 // the time-stamp counter's frequency as measured since boot, 0 before
	Slow      Time   // by how much the clock was slow at the last check
	PPB       int64  // the slew because of that, in 10^-9
	Next      Time   // when the next check is due after the last, 0 for never

	Watch        WatchState
	Windows, Bad uint64 // compared windows, and those of them in which the TSC disagreed
	Apart, Over  Time   // in the latest bad one: by how much the TSC was ahead, and its length
}

// ReadKeeping returns what the timekeeper has found.
//
// Context: any; a check that runs on another CPU may make the numbers belong to two checks.
func ReadKeeping() (k Keeping) {
	f := &keeper.follow
	k = Keeping{CPU: Timekeeper(), Reference: Kinds, Checks: f.checks, Slow: f.slow, PPB: f.ppb, Next: keeper.next}
	if ref := f.ref; ref != nil { // a check may be about to leave it
		k.Reference = ref.Kind
	}
	w := &keeper.watch
	k.Watch, k.Windows, k.Bad, k.Apart, k.Over = w.state, w.windows, w.bad, w.apart, w.over
	if f.rate > 1 {
		k.Hz = rateOf(f.rate)
	}
	return k
}
