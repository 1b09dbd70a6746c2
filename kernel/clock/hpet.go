package clock

import "muster/kernel/mmio"

// Registers of the HPET (IA-PC HPET Specification 1.0a, "Memory Mapped Registers").
const (
	hpetPeriodReg = 0x004 // femtoseconds per count, read-only: the high half of the capabilities
	hpetCaps      = 0x000
	hpetConfig    = 0x010
	hpetMain      = 0x0f0 // main counter
	hpetTimer     = 0x100 // configuration of comparator 0, the next ones 0x20 further on
	hpetStride    = 0x20

	hpetCaps64     = 1 << 13
	hpetCapsTimers = 8 // bits 12:8: the number of the last comparator
	hpetEnable     = 1 << 0
	hpetLegacy     = 1 << 1 // the first two comparators replace the PIT and the CMOS clock
	hpetTimerIRQ   = 1 << 2

	// HPETBytes is the size of the registers with 32 comparators.
	HPETBytes = 0x500

	maxPeriod = 100_000_000 // femtoseconds: 10 MHz is the slowest that the specification allows
	minPeriod = 100_000     // 10 GHz, which no HPET has
	femto     = 1e15
)

// UseHPET takes the HPET whose registers are mapped at va into use as a counter: the main
// counter runs, and no comparator interrupts. It returns why the block cannot be used, "" if it can.
//
// Only the low half of a counter of 64 bits is read. A bus may split a reading of both
// halves, and the low half alone wraps after 43 s at the highest frequency in use, 100 MHz.
//
// Context: boot CPU, before others start.
func UseHPET(va uintptr) (problem string) {
	r := &counters[HPET]
	caps, period := mmio.Load32(va+hpetCaps), mmio.Load32(va+hpetPeriodReg)
	if caps == 0xffffffff && period == 0xffffffff {
		return "no device answers at its address"
	}
	*r = Counter{Kind: HPET, found: true, at: va, memory: true, Mask: 1<<32 - 1, Bits: 32, Num: femto, Den: uint64(period)}
	if period < minPeriod || period > maxPeriod {
		r.Den = 1
		r.Problem = "its period is out of range"
		return r.Problem
	}
	if caps&hpetCaps64 != 0 {
		r.Bits = 64
	}
	for i := range uintptr(caps>>hpetCapsTimers&0x1f) + 1 {
		reg := va + hpetTimer + hpetStride*i
		if v := mmio.Load32(reg); v&hpetTimerIRQ != 0 {
			mmio.Store32(reg, v&^hpetTimerIRQ)
		}
	}
	mmio.Store32(va+hpetConfig, mmio.Load32(va+hpetConfig)&^hpetLegacy|hpetEnable)
	return ""
}

func readHPET(va uintptr) uint64 { return uint64(mmio.Load32(va + hpetMain)) }
