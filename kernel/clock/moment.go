package clock

import "math/bits"

// moment is a time or a span in seconds with 64 fractional bits: hi whole seconds, modulo 2^64.
type moment struct{ hi, lo uint64 }

// product returns the span of ticks of rate each.
func product(ticks, rate uint64) moment {
	hi, lo := bits.Mul64(ticks, rate)
	return moment{hi, lo}
}

func (m moment) plus(o moment) moment {
	lo, carry := bits.Add64(m.lo, o.lo, 0)
	hi, _ := bits.Add64(m.hi, o.hi, carry)
	return moment{hi, lo}
}

func (m moment) minus(o moment) moment {
	lo, borrow := bits.Sub64(m.lo, o.lo, 0)
	hi, _ := bits.Sub64(m.hi, o.hi, borrow)
	return moment{hi, lo}
}

func (m moment) before(o moment) bool { return m.hi < o.hi || m.hi == o.hi && m.lo < o.lo }

// time returns the nanoseconds, without the fraction.
func (m moment) time() Time {
	ns, _ := bits.Mul64(m.lo, 1e9)
	return Time(m.hi*1e9 + ns)
}

// momentOf returns the first moment whose time is t; t is not negative.
func momentOf(t Time) moment {
	s, ns := uint64(t)/1e9, uint64(t)%1e9
	if ns == 0 {
		return moment{s, 0}
	}
	lo, _ := bits.Div64(ns, 0, 1e9)
	return moment{s, lo + 1}
}

// rateOf returns the seconds per tick of a counter, with 64 fractional bits.
func rateOf(hz uint64) uint64 {
	rate, _ := bits.Div64(1, 0, max(hz, 2)) // a quotient of 64 bits
	return rate
}
