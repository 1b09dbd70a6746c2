package clock

import "math/rand"

// world is a simulated machine: a time-stamp counter, and counters that obey the true time.
// Each access takes time, and sometimes something stops the CPU for longer.
type world struct {
	rnd      *rand.Rand
	ns       float64 // the true time
	hz       float64 // of the time-stamp counter
	stopOdds float64 // of each access
	stopNS   float64 // the longest stop
	at       [Kinds]simulated
}

// simulated is a counter, and what is wrong with it.
type simulated struct {
	cost   float64 // of a reading, ns
	offset float64
	stopAt float64 // it stands still from then on; 0: never
	jumpAt float64 // it jumps once; 0: never
	jump   float64 // by this many counts
	drift  float64 // it runs too fast, in millionths
}

func (w *world) pass(ns float64) {
	w.ns += ns * (0.9 + 0.2*w.rnd.Float64())
	if w.rnd.Float64() < w.stopOdds {
		w.ns += w.stopNS * w.rnd.Float64()
	}
}

func (w *world) tsc() uint64 {
	w.pass(20)
	return uint64(w.ns * w.hz / 1e9)
}

func (w *world) read(r *Counter) uint64 {
	s := &w.at[r.Kind]
	w.pass(s.cost / 2)
	at := w.ns
	w.pass(s.cost / 2)
	if s.stopAt != 0 && at > s.stopAt {
		at = s.stopAt
	}
	count := s.offset + at*float64(r.Num)/float64(r.Den)/1e9*(1+s.drift/1e6)
	if s.jumpAt != 0 && at > s.jumpAt {
		count += s.jump
	}
	return uint64(int64(count)) & r.Mask
}

// testCounters are an HPET of 14.3 MHz, a PM timer of 24 bits, and a PIT.
func testCounters() [Kinds]Counter {
	return [Kinds]Counter{
		{Kind: HPET, found: true, Mask: 1<<32 - 1, Bits: 64, Num: femto, Den: 69_841_279},
		{Kind: PMTimer, found: true, Mask: 1<<24 - 1, Bits: 24, Num: pmHz, Den: 1},
		{Kind: PIT, found: true, Mask: 1<<16 - 1, Bits: 16, Num: pitHz, Den: 1},
	}
}

// newWorld makes a machine by a seed: any frequency, and counters that wrap at any moment.
func newWorld(seed int64) *world {
	rnd := rand.New(rand.NewSource(seed))
	w := &world{rnd: rnd, hz: 0.6e9 + 6e9*rnd.Float64(), ns: 1e9 * rnd.Float64()}
	for k, cost := range [Kinds]float64{600, 1200, 3000} {
		w.at[k] = simulated{cost: cost * (0.2 + rnd.Float64()), offset: 1e10 * rnd.Float64()}
	}
	if rnd.Intn(2) == 0 { // a host with other work, or interrupts of the firmware
		w.stopOdds, w.stopNS = 0.002*rnd.Float64(), 2e6*rnd.Float64()
	}
	return w
}

func (w *world) meter() *meter { return &meter{now: w.tsc, read: w.read} }
