package clock

import "muster/kernel/cpu"

// The 8254 interval timer (Intel 8254 data sheet, "Programming the 8254"). Channel 2 makes the
// speaker's tone; bits of port 61H gate it. Channel 0 raises ISA interrupt 0.
const (
	pitHz       = 1193182
	pitChannel0 = 0x40
	pitChannel2 = 0x42
	pitCommand  = 0x43
	pitGate     = 0x61

	pitMode0 = 0x30 // channel 0, low then high byte, mode 0
	pitStart = 0xb0 // channel 2, low then high byte, mode 0
	pitLatch = 0x80 // channel 2

	gateOn  = 1 << 0
	speaker = 1 << 1
)

// StartPIT makes channel 2 count, from the largest count down. Nothing tells whether there is
// a PIT: a machine without one reads as a counter that stands still.
//
// Context: boot CPU, before others start; StopPIT follows.
func StartPIT() {
	counters[PIT] = Counter{Kind: PIT, found: true, frozen: counters[PIT].frozen, Mask: 1<<16 - 1, Bits: 16, Num: pitHz, Den: 1}
	cpu.Out8(pitGate, cpu.In8(pitGate)&^speaker|gateOn)
	cpu.Out8(pitCommand, pitStart)
	cpu.Out8(pitChannel2, 0xff)
	cpu.Out8(pitChannel2, 0xff)
}

// StopPIT closes the gate of channel 2, so that it counts no more.
func StopPIT() { cpu.Out8(pitGate, cpu.In8(pitGate)&^(speaker|gateOn)) }

// SilencePIT makes channel 0, which firmware leaves as a periodic timer, stop and raise no more
// interrupts. Setting the mode stops it on hardware. Some emulators stop it only at the next
// load of a count, which in turn makes hardware count: so the mode is set again.
//
// Context: boot CPU, on a machine whose timer is not the PIT.
func SilencePIT() {
	cpu.Out8(pitCommand, pitMode0)
	cpu.Out8(pitChannel0, 0)
	cpu.Out8(pitChannel0, 0)
	cpu.Out8(pitCommand, pitMode0)
}

// readPIT returns how far channel 2 has counted.
func readPIT() uint64 {
	cpu.Out8(pitCommand, pitLatch)
	lo := cpu.In8(pitChannel2)
	hi := cpu.In8(pitChannel2)
	return uint64(0xffff - (uint16(hi)<<8 | uint16(lo)))
}
