//go:build !explore

package apic

// Simulated says that IPIs go to Sent, not to the hardware: in the explorer's tests.
const Simulated = false

// Sent is never called in the kernel.
var Sent func(dest, icr uint32)

// IORead and IOWrite are never called in the kernel.
var (
	IORead  func(base uintptr, register uint32) uint32
	IOWrite func(base uintptr, register, v uint32)
)
