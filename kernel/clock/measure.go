package clock

import (
	"math/bits"

	"muster/kernel/cpu"
)

// Measuring the time-stamp counter (TSC) against the other counters. All of them are read at
// some points in time, a few milliseconds apart. At a point, each counter is read between two
// readings of the TSC, and of 8 such readings the one with the smallest distance is kept: an
// interrupt of the firmware (SMI), or a host that stops the virtual CPU, makes a reading wide,
// and a wide one is not used. Any two points make a measurement, whose error is bounded by the
// two distances and one count. The measurement with the smallest bound is the result.
const (
	pointSpan   = 3 * Millisecond // from one point to the next
	leastPoints = 4
	mostPoints  = 16
	pointTries  = 8
	goodPPM     = 100    // a bound that needs no more points
	agreePPM    = 10_000 // 1%: frequencies that differ by more disagree

	// mostPolls bounds the wait for the next point: 3 ms are 60,000 readings of 50 ns.
	mostPolls = 100_000
)

// sample is one reading of a counter: it was made within width ticks around tsc.
type sample struct{ tsc, width, count uint64 }

// meter measures. Tests give it simulated counters.
type meter struct {
	now    func() uint64
	read   func(r *Counter) uint64
	ticks  uint64 // from one point to the next, once the TSC's frequency is known; before, 0
	points [Kinds][mostPoints]sample
	n      int
	timers [Kinds]Counter // the local APIC's timer, for timer
}

var machine = meter{now: cpu.TSCOrdered, read: (*Counter).Read}

// Unsteady is the problem of a counter whose measurements do not agree with one another.
const Unsteady = "it does not count steadily"

// measure makes points until each usable counter has a result, and the best of them a good one
// if exact is set. The results are in ticks per second; Hz is 0 without one.
func (m *meter) measure(list *[Kinds]Counter, exact bool) (results [Kinds]Reading) {
	m.n = 0
	m.point(list)
	for m.n < mostPoints && (m.n < leastPoints || !m.enough(list, exact)) {
		if !m.wait(list) {
			break
		}
		m.point(list)
	}
	for k := range list {
		r := &list[k]
		if !r.Usable() {
			continue
		}
		var ok bool
		if results[k], ok = m.result(r); !ok {
			r.Problem = Unsteady
		}
	}
	return results
}

// enough reports whether every usable counter has a result, and whether the first is good.
func (m *meter) enough(list *[Kinds]Counter, exact bool) bool {
	for k := range list {
		if !list[k].Usable() {
			continue
		}
		v, ok := m.result(&list[k])
		if !ok || exact && v.PPM > goodPPM {
			return false
		}
		exact = false
	}
	return true
}

// point reads all usable counters.
func (m *meter) point(list *[Kinds]Counter) {
	for k := range list {
		if list[k].Usable() {
			m.points[k][m.n] = m.tightest(&list[k])
		}
	}
	m.n++
}

func (m *meter) tightest(r *Counter) (best sample) {
	best.width = ^uint64(0)
	for range pointTries {
		before := m.now()
		count := m.read(r)
		if w := m.now() - before; w < best.width {
			best = sample{before + w/2, w, count}
		}
	}
	return best
}

// wait returns pointSpan later by the first usable counter, or ticks later. A counter that stops
// meanwhile is no longer usable, and the next one takes over; ok is false when there is none.
func (m *meter) wait(list *[Kinds]Counter) (ok bool) {
	if m.ticks != 0 {
		for start := m.now(); m.now()-start < m.ticks; {
		}
		return true
	}
	for k := range list {
		r := &list[k]
		if !r.Usable() {
			continue
		}
		span := r.In(pointSpan)
		first := m.read(r)
		for range mostPolls {
			if r.Since(first, m.read(r)) >= span {
				return true
			}
		}
		r.Problem = StandsStill
	}
	return false
}

// result returns the measurement with the smallest bound on its error. A step of the counter,
// or a stop, makes one of the spans between neighbouring points differ from the others; a
// measurement across it does not count. ok is false when fewer than half of the spans agree.
func (m *meter) result(r *Counter) (best Reading, ok bool) {
	p := m.points[r.Kind][:m.n]
	var hz [mostPoints]uint64
	for i := 1; i < len(p); i++ {
		hz[i-1] = between(r, p[i-1], p[i]).Hz
	}
	if len(p) < 2 {
		return best, false
	}
	usual := median(hz[:len(p)-1])
	good := 0
	best.PPM = ^uint32(0)
	for i := range p {
		for j := i + 1; j < len(p); j++ {
			v := between(r, p[i], p[j])
			if apart(between(r, p[j-1], p[j]).Hz, usual) > agreePPM || p[j].tsc-p[i].tsc > m.most(r, usual) {
				break
			}
			if j == i+1 {
				good++
			}
			if v.PPM < best.PPM {
				best = v
			}
		}
	}
	return best, best.Hz != 0 && 2*good >= len(p)-1
}

// most returns how many ticks a measurement may span: nine tenths of the time in which the
// counter wraps, since a reading does not tell how often it wrapped.
func (m *meter) most(r *Counter, hz uint64) uint64 { return mulDiv(hz, r.Mask/10*9*r.Den, r.Num) }

// between returns the frequency by two samples, and the bound on its error: half of each
// distance, and the one count that the two readings may have been apart from their edges.
func between(r *Counter, first, last sample) (v Reading) {
	counts, ticks := r.Since(first.count, last.count), last.tsc-first.tsc
	if counts == 0 || ticks == 0 {
		return Reading{PPM: ^uint32(0)}
	}
	v.Hz = mulDiv(ticks, r.Num, r.Den*counts)
	slack := first.width/2 + last.width/2 + mulDiv(v.Hz, r.Den, r.Num) + 1
	v.PPM = uint32(min(mulDiv(slack, 1e6, ticks), uint64(^uint32(0))))
	return v
}

// In returns how many counts a span of time has, rounded down.
func (r *Counter) In(t Time) uint64 { return mulDiv(r.Num, uint64(t), 1e9*r.Den) }

// mulDiv returns a*b/c, and the largest number if that does not fit.
func mulDiv(a, b, c uint64) uint64 {
	hi, lo := bits.Mul64(a, b)
	if hi >= c {
		return ^uint64(0)
	}
	q, _ := bits.Div64(hi, lo, c)
	return q
}

// apart returns how far v is from what was expected, in millionths of it.
func apart(v, expected uint64) uint64 {
	if expected == 0 {
		return ^uint64(0)
	}
	return mulDiv(max(v, expected)-min(v, expected), 1e6, expected)
}

// median sorts a few numbers and returns the one in the middle, of an even number the lower one.
func median(list []uint64) uint64 {
	for i := range list {
		for j := i; j > 0 && list[j] < list[j-1]; j-- {
			list[j], list[j-1] = list[j-1], list[j]
		}
	}
	return list[(len(list)-1)/2]
}
