package cpu

import "unsafe"

// Move16 copies 16 bytes by two words. The compiler would use the register X0 for an assignment of a value of 16 bytes, and the
// entry for system calls does not save X0 for ring 3.
func Move16(to, from unsafe.Pointer) {
	low, high := *(*uint64)(from), *(*uint64)(unsafe.Add(from, 8))
	*(*uint64)(to), *(*uint64)(unsafe.Add(to, 8)) = low, high
}
