package clock

import (
	"math/bits"

	"muster/kernel/atom"
)

// The second clock: HPET or ACPI PM timer, where the time-stamp counter (TSC) cannot be the clock. A
// reading costs an access to a device, so programs and the runtime make a system call for it.
//
// Its parameters lie in a sequence lock as those of the page do. The counter wraps, so its base is
// renewed long before, by the reader that finds it old. The timekeeper's checks read the clock
// often enough on an idle machine.
type secondClock struct {
	ended, begun  atom.Uint32
	renewing      atom.Uint32 // 1: a CPU renews the base
	ref           *Counter    // set before the page leads here
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

// LeaveTSC makes HPET or ACPI PM timer the clock, from the present time on, plus skew: as much as another
// CPU's TSC may be ahead. It reports false if there is neither: then the TSC stays.
//
// Context: interrupts off.
func LeaveTSC(skew Time) bool {
	for !keeper.busy.CompareAndSwap(0, 1) { // a check on another CPU ends soon
		atom.Pause()
	}
	left := leave(skew, moment{})
	keeper.busy.Store(0)
	return left
}

// leave is LeaveTSC. The clock continues not before least.
//
// Context: keeper.busy is 1, interrupts off.
func leave(skew Time, least moment) bool {
	p := page
	ref := reference()
	if ref == nil || p.source.Load() != sourceTSC {
		return p.source.Load() == sourceCall
	}
	_, now := p.begin() // it never ends, so each reader comes to look at the source
	now = now.plus(momentOf(slack + skew))
	if now.before(least) {
		now = least
	}
	second.use(ref, now)
	p.source.Store(sourceCall)
	return true
}

// Clock returns the counter that is the clock, Kinds for the TSC.
func Clock() Kind {
	if page.source.Load() == sourceCall {
		return second.ref.Kind
	}
	return Kinds
}
