// Package clock has the time: it converts the time-stamp counter to nanoseconds, for the
// kernel and by a page of time data for programs, and bounds every wait in the core.
//
// Layer: core.
// Context: any, once Calibrate has run. Before that Now is 0, and deadlines assume
// a fast CPU, so they are late rather than early.
// Locks: none; readers of the page repeat what a change has disturbed.
// Manual: Intel SDM vol. 3B, "Time-Stamp Counter"; IA-PC HPET Specification 1.0a; ACPI
// Specification, "Power Management Timer"; 8254 data sheet.
// Chapter: docs/06-interrupts.md.
// Left out: corrections of each CPU's counter without a system call: if the counters differ, each reading is one; and a
// clock from the local APIC's timer, whose count only its own CPU can read.
package clock

import (
	"math/bits"

	"muster/kernel/atom"
	"muster/kernel/cpu"
)

// Time is a point in time or a span, in nanoseconds. The zero point is the
// kernel's first instruction on the boot CPU.
type Time int64

// Units of Time.
const (
	Microsecond Time = 1000
	Millisecond      = 1000 * Microsecond
	Second           = 1000 * Millisecond
)

// Never lies after every deadline.
const Never Time = 1<<63 - 1

// Ratio multiplies by a fixed-point factor with 32 fractional bits.
type Ratio uint64

// NewRatio returns num/den; den is not 0 and num/den is below 2^32.
func NewRatio(num, den uint64) Ratio {
	hi, lo := num>>32, num<<32
	q, _ := bits.Div64(hi, lo, den)
	return Ratio(q)
}

// Of returns x times r, without the fraction, modulo 2^64.
func (r Ratio) Of(x uint64) uint64 {
	hi, lo := bits.Mul64(x, uint64(r))
	return hi<<32 | lo>>32
}

// The counter as it was calibrated at boot. Waits use it without the corrections that the page
// gets, which are far smaller than what a wait needs.
var (
	tscHz   uint64 // ticks per second, 0 before calibration
	tscBase uint64 // counter at the zero point
	toNS    Ratio  // nanoseconds per tick
	toTicks Ratio  // ticks per nanosecond
	scale   uint64 = 1

	epoch atom.Uint64 // Unix time of the zero point, in nanoseconds; one word, so that readers need no sequence
)

// guessHz is the frequency before calibration: no CPU here counts faster.
const guessHz = 8e9

// Start takes the zero point from the counter value of the first instruction.
//
// Context: boot CPU, before Calibrate.
func Start(tsc uint64) { tscBase = tsc }

// SetHz sets the counter's frequency.
//
// Context: boot CPU, before others start.
func SetHz(hz uint64) {
	tscHz = hz
	toNS = NewRatio(1e9, hz)
	toTicks = NewRatio(hz, 1e9)
	page.start(rateOf(hz), tscBase)
}

// Hz returns the counter's frequency in ticks per second, 0 before calibration.
func Hz() uint64 { return tscHz }

// Ticks returns the counter ticks in a span.
func Ticks(t Time) uint64 { return toTicks.Of(uint64(t)) }

// Span returns the time that a number of counter ticks take.
func Span(ticks uint64) Time { return Time(toNS.Of(ticks)) }

// SetScale makes every Deadline n times as long, for an emulator with fewer host
// CPUs than guest CPUs. n is at least 1.
func SetScale(n uint64) { scale = n }

// Scale returns what SetScale set, 1 at first.
func Scale() uint64 { return scale }

// SetEpoch sets the Unix time, in nanoseconds, of the zero point. A zero point before 1970 is put
// there: readers have no times below 0.
//
// Context: as SetHz.
func SetEpoch(ns int64) {
	p := page
	p.begin()
	epoch.Store(uint64(max(ns, 0)))
	p.place(moment{p.hi[monotonic].Load(), p.lo[monotonic].Load()})
	p.end()
}

// Epoch returns what SetEpoch set.
func Epoch() int64 { return int64(epoch.Load()) }

// Deadline ends a wait. It is a value, so that a wait in core code needs no memory.
type Deadline struct{ end uint64 }

// After returns the deadline d from now, times the scale.
func After(d Time) Deadline {
	ticks := uint64(d) * (guessHz / 1e9)
	if tscHz != 0 {
		ticks = Ticks(d)
	}
	return Deadline{cpu.TSC() + ticks*scale}
}

// Passed reports whether the deadline has passed.
func (d Deadline) Passed() bool { return int64(cpu.TSC()-d.end) >= 0 }

// Spin waits for d, for the few microseconds that hardware needs.
func Spin(d Time) {
	ticks := uint64(d) * (guessHz / 1e9)
	if tscHz != 0 {
		ticks = Ticks(d)
	}
	start := cpu.TSC()
	for cpu.TSC()-start < ticks {
		cpu.Pause()
	}
}
