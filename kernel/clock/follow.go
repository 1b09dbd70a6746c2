package clock

import "math/bits"

// follower compares the clock with a reference, and says at which rate the clock must run to
// agree with it. The rate of the time-stamp counter is the mean since the first reading, so it
// becomes the more exact the longer the kernel runs. The distance between the two clocks is slewed
// away: the clock runs a little faster or slower until it is gone, and never steps.
type follower struct {
	ref  *Counter
	per  uint64 // seconds per count of ref, with 64 fractional bits
	wrap Time   // time in which ref wraps

	begun  bool
	base   moment // the reference's time at the first reading: what the clock said then
	first  uint64 // the time-stamp counter then
	tsc    uint64 // and at the last reading
	count  uint64 // ref at the last reading
	counts uint64 // from the first to the last
	middle struct{ tsc, counts uint64 }
	forgot bool // the first reading was moved: the mean is that of a long span

	rate   uint64 // seconds per tick as measured, 0 before
	slow   Time   // by how much the clock was slow at the last reading
	ppb    int64  // by how much the clock runs faster than rate because of that, in 10^-9
	checks uint64 // readings that were used
}

const (
	leastSpan  = Second        // the first rate is measured over it
	longSpan   = 1000 * Second // a mean over more than twice of it forgets its first half
	maxSlewPPB = 500_000
	// widest is the distance of the two readings of the counter around one of the reference beyond
	// which the reading is not used.
	widest = 100 * Microsecond
)

// follow begins to compare with a reference, from the next step on.
func (f *follower) follow(ref *Counter) {
	*f = follower{ref: ref}
	f.per, _ = bits.Div64(ref.Den, 0, ref.Num)
	f.wrap = product(ref.Mask, f.per).time()
}

// step takes a reading and the time of the clock at its s.tsc, and returns the rate at which the
// clock must run until the next step, which comes after period. rate is the present one.
func (f *follower) step(s sample, now moment, rate uint64, period Time) uint64 {
	if product(s.width, rate).time() > widest {
		return rate
	}
	if !f.begun || product(s.tsc-f.tsc, rate).time() > f.wrap/2 {
		f.restart(s, now)
		return rate
	}
	f.counts += f.ref.Since(f.count, s.count)
	f.tsc, f.count = s.tsc, s.count
	f.checks++
	span := product(f.counts, f.per)
	if span.time() < leastSpan {
		return rate
	}
	f.rate = span.over(s.tsc - f.first)
	f.slow = f.base.plus(span).minus(now).time()
	slow := max(-Second, min(Second, f.slow)) // more makes no difference, and its product may not fit
	f.ppb = max(-maxSlewPPB, min(maxSlewPPB, int64(slow)*int64(Second)/int64(period)))
	f.forget(span)
	return toward(rate, faster(f.rate, f.ppb))
}

// restart begins anew with a reading. The rate stays.
func (f *follower) restart(s sample, now moment) {
	f.begun, f.forgot, f.base = true, false, now
	f.first, f.tsc, f.count, f.counts = s.tsc, s.tsc, s.count, 0
	f.middle.counts, f.middle.tsc = 0, s.tsc
}

// exclude takes a window that ended with the last reading out of the mean rate: in it the two clocks
// did not count the same time. By what the clock is slow or fast because of it stays known.
func (f *follower) exclude(ticks, counts uint64) {
	if counts > f.counts { // the comparison began anew meanwhile
		f.begun = false
		return
	}
	f.first += ticks
	f.middle.tsc += ticks
	f.counts -= counts
	f.base = f.base.plus(product(counts, f.per))
	if f.middle.counts > f.counts { // it was set within the window
		f.middle.counts = 0
	}
	f.rate = 0 // step has measured it over the window too
	if span := product(f.counts, f.per); span.time() >= leastSpan {
		f.rate = span.over(f.tsc - f.first)
	}
}

// target returns the time that the clock had at the last reading if it followed the reference.
func (f *follower) target() moment { return f.base.plus(product(f.counts, f.per)) }

// forget moves the first reading to the middle of a long span.
func (f *follower) forget(span moment) {
	switch {
	case span.time() >= 2*longSpan:
		f.base = f.base.plus(product(f.middle.counts, f.per))
		f.first = f.middle.tsc
		f.counts -= f.middle.counts
		f.middle.counts, f.middle.tsc = 0, f.first
		f.forgot = true
	case span.time() >= longSpan && f.middle.counts == 0:
		f.middle.counts, f.middle.tsc = f.counts, f.tsc
	}
}

// over returns the seconds per tick, if m takes a number of ticks. m is shorter than ticks seconds.
func (m moment) over(ticks uint64) uint64 {
	if m.hi >= ticks {
		return ^uint64(0)
	}
	rate, _ := bits.Div64(m.hi, m.lo, ticks)
	return rate
}

// faster returns a rate that is ppb times 10^-9 higher; ppb may be negative.
func faster(rate uint64, ppb int64) uint64 {
	hi, lo := bits.Mul64(rate, uint64(1e9+ppb))
	if hi >= 1e9 {
		return ^uint64(0)
	}
	q, _ := bits.Div64(hi, lo, 1e9)
	return q
}

// toward returns a rate that is a thousandth nearer to goal than rate at most: what slack
// allows.
func toward(rate, goal uint64) uint64 {
	most := rate >> 10
	return max(rate-most, min(rate+most, goal))
}
