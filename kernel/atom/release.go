//go:build !explore && !race

package atom

import "unsafe"

// Release sets the lowest byte to 0. Unlike Store it is a plain MOV: other CPUs see it after all
// that this CPU has loaded and stored before, but this CPU may load something else before they do.
func (x *Uint32) Release() { *(*uint8)(unsafe.Pointer(&x.v)) = 0 }

// Release sets the address to 0, by a plain MOV as Uint32.Release.
func (x *Uintptr) Release() { x.v = 0 }
