// Package mmio reads and writes device registers and other memory outside Go
// objects, one MOV for each call.
//
// sync/atomic cannot be used: on amd64 its stores are XCHG, which reads the
// register as well, and a plain Go access may be merged or left out.
//
// Layer: core.
// Context: any; the address must be mapped.
// Locks: none.
// Manual: Intel SDM vol. 3A, "Memory Cache Control".
// Chapter: docs/06-interrupts.md.
package mmio

// Load8 reads the 8-bit register at addr.
func Load8(addr uintptr) uint8

// Store8 writes the 8-bit register at addr.
func Store8(addr uintptr, v uint8)

// Load16 reads the 16-bit register at addr.
func Load16(addr uintptr) uint16

// Store16 writes the 16-bit register at addr.
func Store16(addr uintptr, v uint16)

// Load32 reads the 32-bit register at addr.
func Load32(addr uintptr) uint32

// Store32 writes the 32-bit register at addr.
func Store32(addr uintptr, v uint32)
