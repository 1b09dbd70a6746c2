package clock

import "muster/kernel/cpu"

// Source is where the counter's frequency came from.
type Source uint8

// Sources, the best first.
const (
	FromCPUID      Source = iota // leaf 15H: crystal clock and ratio
	FromHypervisor               // leaf 4000_0010H, kHz
	FromPIT                      // counted against the 8254
	FromBaseClock                // leaf 16H: nominal MHz
	FromGuess                    // nothing worked; 1 GHz
)

// String returns the source's name for the boot log.
func (s Source) String() string {
	switch s {
	case FromCPUID:
		return "CPUID 15H"
	case FromHypervisor:
		return "hypervisor"
	case FromPIT:
		return "PIT"
	case FromBaseClock:
		return "CPUID 16H"
	}
	return "guess"
}

// Calibrate finds the counter's frequency and sets it.
//
// Context: boot CPU, before others start; takes at most 20 ms.
// Source: Intel SDM vol. 3B, "Determining the Processor Base Frequency".
func Calibrate() (hz uint64, from Source) {
	hz, from = find()
	SetHz(hz)
	return hz, from
}

func find() (uint64, Source) {
	maxLeaf, _, _, _ := cpu.CPUID(0, 0)
	if maxLeaf >= 0x15 {
		den, num, crystal, _ := cpu.CPUID(0x15, 0)
		if hz := crystalHz(den, num, crystal); hz != 0 {
			return hz, FromCPUID
		}
	}
	if _, _, c, _ := cpu.CPUID(1, 0); c>>31 != 0 {
		if top, _, _, _ := cpu.CPUID(0x40000000, 0); top >= 0x40000010 && top < 0x40010000 {
			if kHz, _, _, _ := cpu.CPUID(0x40000010, 0); kHz != 0 {
				return uint64(kHz) * 1000, FromHypervisor
			}
		}
	}
	if hz, ok := againstPIT(); ok {
		return hz, FromPIT
	}
	if maxLeaf >= 0x16 {
		if mhz, _, _, _ := cpu.CPUID(0x16, 0); mhz&0xffff != 0 {
			return uint64(mhz&0xffff) * 1e6, FromBaseClock
		}
	}
	return 1e9, FromGuess
}

// crystalHz decodes CPUID leaf 15H: the counter runs at crystal*num/den. 0 if a part is missing.
func crystalHz(den, num, crystal uint32) uint64 {
	if den == 0 || num == 0 || crystal == 0 {
		return 0
	}
	return uint64(crystal) * uint64(num) / uint64(den)
}

// Ports and frequency of the 8254 interval timer. Bits of port 61H gate channel 2.
const (
	pitHz       = 1193182
	pitChannel2 = 0x42
	pitCommand  = 0x43
	pitGate     = 0x61

	pitSpan = pitHz / 200 // count over 5 ms
)

// sample is one reading of the 8254 and the counter: the timer was latched
// between the counter values before and before+width.
type sample struct {
	before, width uint64
	count         uint16
}

func (s sample) tsc() uint64 { return s.before + s.width/2 }

// againstPIT measures the counter against channel 2. Each end is the tightest of
// some readings. If the host stops the virtual CPU during a reading, that reading
// is wide and is not used. ok is false when the timer stands still, as on machines
// that gate its clock.
func againstPIT() (hz uint64, ok bool) {
	cpu.Out8(pitGate, cpu.In8(pitGate)&^2|1) // speaker off, gate on
	cpu.Out8(pitCommand, 0xb0)               // channel 2, low then high byte, mode 0
	cpu.Out8(pitChannel2, 0xff)
	cpu.Out8(pitChannel2, 0xff)
	first, ok := tightest(0xffff)
	if !ok {
		return 0, false
	}
	last, ok := tightest(first.count - pitSpan)
	cpu.Out8(pitGate, cpu.In8(pitGate)&^3)
	if !ok || last.count >= first.count {
		return 0, false
	}
	return fromSamples(first, last), true
}

func fromSamples(first, last sample) uint64 {
	return (last.tsc() - first.tsc()) * pitHz / uint64(first.count-last.count)
}

// tightest returns the best of 8 readings with a count of at most from. ok is
// false when the count has not come down after 100,000 readings.
func tightest(from uint16) (best sample, ok bool) {
	best.width = ^uint64(0)
	start := uint16(0)
	for tries, good := 0, 0; good < 8; tries++ {
		if tries == 100000 {
			return best, false
		}
		s := readPIT()
		if tries == 0 {
			start = s.count
		}
		if s.count > from || s.count == start {
			continue
		}
		good++
		if s.width < best.width {
			best = s
		}
	}
	return best, true
}

func readPIT() sample {
	before := cpu.TSCOrdered()
	cpu.Out8(pitCommand, 0x80) // latch channel 2
	width := cpu.TSCOrdered() - before
	lo := cpu.In8(pitChannel2)
	hi := cpu.In8(pitChannel2)
	return sample{before, width, uint16(hi)<<8 | uint16(lo)}
}
