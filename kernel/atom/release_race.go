//go:build !explore && race

package atom

// Release sets the lowest byte to 0. The race detector does not know the MOV of the kernel's Release.
func (x *Uint32) Release() { x.And(^uint32(0xff)) }

// Release sets the address to 0.
func (x *Uintptr) Release() { x.Store(0) }
