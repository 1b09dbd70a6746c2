//go:build !explore

package apic

// Simulated says that IPIs go to Sent, not to the hardware: in the explorer's tests.
const Simulated = false

// Sent is never called in the kernel.
var Sent func(dest, icr uint32)
