//go:build explore

package apic

// Simulated says that IPIs go to Sent, not to the hardware.
const Simulated = true

// Sent gets what would be written to the ICR: the destination, an APIC id or a
// logical destination, and the low half of the register. The tests set it.
var Sent func(dest, icr uint32)

// IORead and IOWrite stand for the registers of I/O APICs, by the address of the page. The
// EOI register, which has no index, is IOEnd. The tests set them.
var (
	IORead  func(base uintptr, register uint32) uint32
	IOWrite func(base uintptr, register, v uint32)
)
