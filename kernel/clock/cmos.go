package clock

import "muster/kernel/cpu"

// The second of the CMOS clock (MC146818 data sheet, "Update Cycle") is the last resort: any PC
// has that clock, but it says no more than when a second ends, so a measurement takes one to
// two seconds.

// cmosClock reads the clock's registers. Tests give it simulated ones.
type cmosClock struct {
	now    func() uint64
	choose func(reg uint8) // the register that data returns
	data   func() uint8
	binary bool // its registers are not BCD
}

var machineCMOS = cmosClock{now: cpu.TSCOrdered, choose: rtcSelect, data: rtcGet}

// rtcFrozen is an injected fault: the clock stands still.
var rtcFrozen bool

// FreezeCMOS injects that fault.
//
// Context: boot CPU, before other CPUs start.
func FreezeCMOS() { rtcFrozen = true }

func rtcSelect(reg uint8) { cpu.Out8(rtcIndex, reg) }

func rtcGet() uint8 {
	v := cpu.In8(rtcData)
	if rtcFrozen {
		v = 0
	}
	return v
}

const (
	rtcUpdate  = 1 << 7 // in status A: the clock updates its registers, for 2 ms at the end of each second
	rtcBinary  = 1 << 2 // in status B
	rtcSeconds = 60

	// cmosPolls and cmosTicks bound the wait for the end of a second, when no time is known yet. A
	// poll has up to 4 accesses to ports, which take 0.1 us each in an emulator and 1 us on
	// hardware, so the first bound is 2 s at least and 20 s at most. The second is 2.5 s for the fastest CPU.
	cmosPolls = 5_000_000
	cmosTicks = guessHz * 5 / 2

	cmosPPM  = 1000 // a bound that needs no more ends of seconds
	cmosSome = 3    // after so many of them, half of what may be wrong is enough
	cmosEnds = 8    // the most that may follow the first one
)

// Problems of the CMOS clock.
const (
	cmosAbsent = "it is absent"
	cmosStill  = StandsStill
)

// measure returns the frequency of the time-stamp counter by the ends of two seconds, with the
// smallest bound on its error that a few ends give. The register tells how many seconds lie between them.
func (q *cmosClock) measure() (v Reading, problem string) {
	q.choose(rtcStatusA)
	a := q.data()
	q.choose(rtcStatusB)
	b := q.data()
	if a == 0xff && b == 0xff {
		return v, cmosAbsent
	}
	q.binary = b&rtcBinary != 0
	first, ok := q.end()
	if !ok {
		return v, cmosStill
	}
	for i := range cmosEnds {
		last, ok := q.end()
		seconds := (last.count + rtcSeconds - first.count) % rtcSeconds
		if !ok || seconds == 0 {
			return Reading{}, cmosStill
		}
		ticks := last.tsc - first.tsc
		v.Hz = ticks / seconds
		v.PPM = uint32(min(mulDiv(first.width/2+last.width/2+1, 1e6, max(ticks, 1)), uint64(^uint32(0))))
		if v.PPM <= cmosPPM || i+1 >= cmosSome && v.PPM <= agreePPM/2 {
			break
		}
		if last.width < first.width {
			first = last // the next end gives a better measurement with it
		}
	}
	if v.PPM > agreePPM {
		return Reading{}, Unsteady
	}
	return v, ""
}

// end waits for the end of a second: until the register of seconds changes, while the clock does
// not update its registers. The sample's count is the second that begins then.
func (q *cmosClock) end() (s sample, ok bool) {
	start := q.now()
	old, known := uint8(0), false
	before, next := start, start // the edge lies after the beginning of the last poll that did not see it
	for range cmosPolls {
		v, valid := q.second()
		now := q.now()
		if valid && known && v != old {
			if again, valid := q.second(); valid && again == v {
				return sample{tsc: before + (now-before)/2, width: now - before, count: uint64(v)}, true
			}
		}
		if valid {
			old, known = v, true
		}
		if now-start > cmosTicks {
			return s, false
		}
		before, next = next, now
	}
	return s, false
}

// second returns the second, and whether the register could be read.
func (q *cmosClock) second() (v uint8, valid bool) {
	q.choose(rtcStatusA)
	if q.data()&rtcUpdate != 0 {
		return 0, false
	}
	q.choose(rtcSecond)
	v = q.data()
	if !q.binary {
		v = v>>4*10 + v&0xf
	}
	return v, v < rtcSeconds
}
