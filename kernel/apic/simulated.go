//go:build explore

package apic

// Simulated says that IPIs go to Sent, not to the hardware.
const Simulated = true

// Sent gets what would be written to the ICR: the destination, an APIC id or a
// logical destination, and the low half of the register. The tests set it.
var Sent func(dest, icr uint32)
