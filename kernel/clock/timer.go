package clock

import "muster/kernel/cpu"

// The local APIC's timer is measured as the time-stamp counter (TSC) is, but the other way
// around: there the counter's frequency is known and the TSC's is not, here it is the TSC's.

// timerPoint is the time from one point to the next. The timer's error ends with each
// interrupt, since the next one is armed by the TSC's time, so a shorter measurement will do.
const timerPoint = Millisecond

// perCounts is the unit of the measurement: ticks of the TSC for so many counts of the timer.
const perCounts = 1e9

var timerMachine = meter{now: cpu.TSCOrdered}

// MeasureTimer returns the frequency of a counter of 32 bits: read returns how far it has
// counted. problem is why there is no result, "" with one. The result is kept for Calibrated.
//
// Context: boot CPU, after Calibrate; takes 3 ms, at most 15.
func MeasureTimer(read func(*Counter) uint64) (hz uint64, problem string) {
	timerMachine.read = read
	hz, calibration.Timer, calibration.Dead = timerMachine.timer(tscHz)
	return hz, calibration.Dead
}

// timer measures a counter by a TSC of a known frequency.
func (m *meter) timer(tscHz uint64) (hz uint64, v Reading, problem string) {
	m.ticks = mulDiv(tscHz, uint64(timerPoint), uint64(Second))
	m.timers = [Kinds]Counter{{found: true, Mask: 1<<32 - 1, Num: perCounts, Den: 1}}
	v = m.measure(&m.timers, false)[0]
	r := &m.timers[0]
	if !r.Usable() {
		if first, last := m.points[0][0], m.points[0][m.n-1]; first.count == last.count {
			r.Problem = StandsStill
		}
		return 0, Reading{}, r.Problem
	}
	v.Hz = mulDiv(tscHz, perCounts, v.Hz)
	return v.Hz, v, ""
}

// mostBound limits what Bounds returns: with the CMOS clock alone the bound may be large.
const mostBound = 1000

// Bounds returns the bounds on the errors of the clock's frequency and of the timer's, in millionths.
func (r *Calibration) Bounds() (clockPPM, timerPPM uint64) {
	return min(uint64(r.Readings[r.Chosen].PPM), mostBound), min(uint64(r.Timer.PPM), mostBound)
}

// TimerApart returns how far the measured frequency of the local APIC's timer is from what CPU
// or hypervisor say, in millionths; 0 if they say nothing. divider is the timer's.
func (r *Calibration) TimerApart(divider uint64) uint64 {
	if r.TimerHz == 0 {
		return 0
	}
	return apart(r.Timer.Hz*divider, r.TimerHz)
}

// TimerDisagrees reports whether that is more than 1%.
func (r *Calibration) TimerDisagrees(divider uint64) bool { return r.TimerApart(divider) > agreePPM }
