// Package oldcpu lets the kernel run on 64-bit CPUs without FSGSBASE or XSAVE. The entry
// stubs and a few functions are written for CPUs that have both. On a CPU that lacks one,
// the boot CPU rewrites these instructions in place, so newer CPUs pay nothing.
//
// Layer: core.
// Context: boot CPU, before the first exception, while text is still writable.
// Locks: none.
// Manual: Intel SDM vol. 2A, "FXRSTOR", "FXSAVE"; vol. 2B, "RDFSBASE/RDGSBASE"; vol. 2D,
// "WRFSBASE/WRGSBASE", "XRSTOR", "XSAVE".
// Chapter: docs/04-traps.md.
// Left out: FSGSBASE on other registers than RAX; the code uses no other.
package oldcpu

import (
	"unsafe"

	"muster/kernel/cpu"
)

// Values for the assembly.
const (
	msrFSBase = cpu.MSRFSBase
	msrGSBase = cpu.MSRGSBase
)

// Lacks says which instructions a CPU does not have.
type Lacks struct{ FSGSBase, XSave bool }

// Of returns what a CPU with these features lacks.
func Of(f *cpu.Features) Lacks {
	return Lacks{FSGSBase: !f.Has(cpu.FSGSBase), XSave: !f.Has(cpu.XSave)}
}

// Kind is a kind of instruction that Rewrite replaces.
type Kind uint8

// Kinds.
const (
	None    Kind = iota
	Base         // RDFSBASE, RDGSBASE, WRFSBASE or WRGSBASE of RAX: 5 bytes, as long as a CALL
	Vectors      // XSAVE64 or XRSTOR64: one bit distinguishes it from FXSAVE64 or FXRSTOR64
)

const baseBytes = 5

// At returns the kind of the instruction at the start of code.
func At(code []byte) Kind {
	switch {
	case len(code) >= baseBytes && code[0] == 0xf3 && code[1] == 0x48 && code[2] == 0x0f && code[3] == 0xae && code[4]&^0x18 == 0xc0:
		return Base
	case len(code) >= 4 && code[0] == 0x48 && code[1] == 0x0f && code[2] == 0xae && code[3]&0x30 == 0x20 && code[3] < 0xc0:
		return Vectors
	}
	return None
}

// Addresses of assembly, filled in by the linker.
var readFSPC, readGSPC, writeFSPC, writeGSPC uintptr

// routine returns the function that does by MSR what the instruction with this last
// byte does.
func routine(last byte) uintptr {
	switch last >> 3 & 3 {
	case 0:
		return readFSPC
	case 1:
		return readGSPC
	case 2:
		return writeFSPC
	}
	return writeGSPC
}

// Rewrite replaces what the CPU lacks in code, which is to run at address at, and returns
// how many instructions it has replaced.
func Rewrite(code []byte, at uintptr, lacks Lacks) (n int) {
	for i := range code {
		switch At(code[i:]) {
		case Base:
			if lacks.FSGSBase {
				rel := uint32(routine(code[i+4]) - (at + uintptr(i) + baseBytes))
				code[i] = 0xe8 // CALL
				code[i+1], code[i+2], code[i+3], code[i+4] = byte(rel), byte(rel>>8), byte(rel>>16), byte(rel>>24)
				n++
			}
		case Vectors:
			if lacks.XSave {
				code[i+3] &^= 0x20
				n++
			}
		}
	}
	return n
}

// Function rewrites the function of the running kernel from start to end.
func Function(start, end uintptr, lacks Lacks) {
	Rewrite(unsafe.Slice((*byte)(unsafe.Pointer(start)), end-start), start, lacks)
}
