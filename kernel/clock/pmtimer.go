package clock

import (
	"muster/kernel/cpu"
	"muster/kernel/mmio"
)

// pmHz is the frequency of the ACPI power management timer (ACPI Specification, "Power
// Management Timer").
const pmHz = 3579545

// UsePMTimer takes the ACPI power management timer into use as a counter: at is its port, or
// with memory the address at which its register is mapped. wide says that it has 32 bits, not 24.
//
// Context: boot CPU, before others start.
func UsePMTimer(at uintptr, memory, wide bool) {
	r := &counters[PMTimer]
	*r = Counter{Kind: PMTimer, found: true, at: at, memory: memory, Mask: 1<<24 - 1, Bits: 24, Num: pmHz, Den: 1}
	if wide {
		r.Mask, r.Bits = 1<<32-1, 32
	}
}

// pmTries bounds the readings that disagree.
const pmTries = 4

// pmNear is the largest distance of two readings that follow one another: 1 ms. They are further
// apart only when something stopped the CPU between them.
const pmNear = pmHz / 1000

// readPM reads the timer twice, until the second reading is just after the first. Some
// chipsets do not latch the timer while it is read, and then a reading during a carry is wrong
// (Intel 82371AB PIIX4 Specification Update, "ACPI Timer Errata").
func readPM(at uintptr, memory bool) uint64 {
	v := readPMOnce(at, memory)
	for range pmTries {
		w := readPMOnce(at, memory)
		if near(v, w) {
			return uint64(w)
		}
		v = w
	}
	return uint64(v)
}

// near compares 24 bits, which every timer has.
func near(v, w uint32) bool { return (w-v)&(1<<24-1) <= pmNear }

func readPMOnce(at uintptr, memory bool) uint32 {
	if memory {
		return mmio.Load32(at)
	}
	return cpu.In32(uint16(at))
}
