package clock

import (
	"math/bits"

	"muster/kernel/atom"
	"muster/kernel/percpu"
)

// The second clock: HPET or ACPI PM timer, where the time-stamp counter (TSC) cannot be the clock. A
// reading costs an access to a device, so programs and the runtime make a system call for it. Where there is neither,
// it is held.go's.
//
// Its parameters lie in a sequence lock as those of the page do. The counter wraps, so its base is
// renewed long before, by the reader that finds it old. The timekeeper's checks read the clock
// often enough on an idle machine.
type secondClock struct {
	ended, begun  atom.Uint32
	renewing      atom.Uint32 // 1: a CPU renews the base
	ref           *Counter    // set before the page leads here; nil: held is the clock
	read          func(*Counter) uint64
	per           uint64      // seconds per count, with 64 fractional bits; set with ref
	count, hi, lo atom.Uint64 // the base: a count, and the time then
}

var second secondClock

// use makes a counter the second clock, which begins at a time.
func (s *secondClock) use(ref *Counter, now moment) {
	s.ref, s.read = ref, (*Counter).Read
	s.per, _ = bits.Div64(ref.Den, 0, ref.Num)
	s.count.Store(ref.Read())
	s.hi.Store(now.hi)
	s.lo.Store(now.lo)
}

// at returns the time at a count, and the counts since the base.
func (s *secondClock) at(count uint64) (now moment, since uint64) {
	since = s.ref.Since(s.count.Load(), count)
	return product(since, s.per).plus(moment{s.hi.Load(), s.lo.Load()}), since
}

// now returns the time: CLOCK_MONOTONIC.
func (s *secondClock) now() Time {
	if s.ref == nil {
		return held.read(percpu.This())
	}
	for ; ; atom.Pause() {
		ended := s.ended.Load()
		m, since := s.at(s.read(s.ref))
		if s.begun.Load() != ended { // pairs with renew
			continue
		}
		if since > s.ref.Mask/4 {
			s.renew()
		}
		return m.time()
	}
}

// renew makes the present count the base, unless another CPU does that. The change is begun before the
// counter is read, for the reason that keep.go gives.
func (s *secondClock) renew() {
	if !s.renewing.CompareAndSwap(0, 1) {
		return
	}
	s.begun.Add(1)
	count := s.read(s.ref)
	m, _ := s.at(count)
	s.count.Store(count)
	s.hi.Store(m.hi)
	s.lo.Store(m.lo)
	s.ended.Store(s.begun.Load())
	s.renewing.Store(0)
}

// keeperLimit bounds the wait for the end of a check of the timekeeper's, which reads a counter 8 times, or of another
// CPU's leave.
const keeperLimit = 100 * Millisecond

// LeaveTSC makes HPET or ACPI PM timer the clock, from the present time on. It reports false if there is neither, or if
// a check on another CPU does not end: then the TSC stays.
//
// Context: interrupts off.
func LeaveTSC() bool { return leaveWithin(0, false) }

// TSCsDiffer makes HPET or ACPI PM timer the clock, or else held: the CPUs' TSCs differ. The clock continues from the
// present time plus skew: as much as another CPU's TSC may be ahead. It reports false if a check on another CPU does not
// end: then the TSC stays.
//
// Context: interrupts off.
func TSCsDiffer(skew Time) bool { return leaveWithin(skew, true) }

// leaveWithin is leave, after a wait of at most keeperLimit for the keeper's check.
//
// Context: interrupts off.
func leaveWithin(skew Time, hold bool) bool {
	for end := After(keeperLimit); !keeper.busy.CompareAndSwap(0, 1); atom.Pause() {
		if end.Passed() {
			return false
		}
	}
	done := leave(skew, moment{}, hold)
	keeper.busy.Store(0)
	return done
}

// leave makes another counter the clock. It continues not before least. hold says that the CPUs' own counters will do if
// there is no other.
//
// Context: keeper.busy is 1, interrupts off.
func leave(skew Time, least moment, hold bool) bool {
	p := page
	ref := reference()
	if ref == nil && !hold || p.source.Load() != sourceTSC {
		return p.source.Load() == sourceCall
	}
	_, now := p.begin() // it never ends, so each reader comes to look at the source
	now = now.plus(momentOf(slack + skew))
	if now.before(least) {
		now = least
	}
	if ref != nil {
		second.use(ref, now)
	} else {
		held.last.Store(uint64(now.time()))
	}
	p.source.Store(sourceCall)
	return true
}

// Clock returns the counter that is the clock: Kinds for the TSC, Held for that of each CPU, corrected.
func Clock() Kind {
	switch {
	case page.source.Load() != sourceCall:
		return Kinds
	case second.ref == nil:
		return Held
	}
	return second.ref.Kind
}
