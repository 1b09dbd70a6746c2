package trap

import (
	"unsafe"

	"muster/kernel/cpu"
)

// Vector state is x87, MXCSR, and the XMM and YMM registers: what XSAVE saves. On a CPU
// without XSAVE, package oldcpu makes FXSAVE of it, which saves the first 512 bytes of an
// XSAVE area; the header after them stays 0, and nothing reads it. A trap
// saves all of it on the kernel stack. A system call of ring 3 saves only the registers
// that core code uses, so the rest is live while the core runs, up to the next switch.

// StateBytes is room for an XSAVE area with x87, SSE and AVX: 832 bytes.
const StateBytes = 896

// kept are the vector registers that the entry for system calls saves below the Frame,
// from the lowest address on. Compiled core code uses no other: X14 to move structures, and X15, which is 0 there. For a value
// of 16 bytes the compiler would use X0: see cpu.Move16. tools/layers compares this list with the code.
var kept = [2]uintptr{14, 15}

// xmmOffset is where X0 lies in an XSAVE area (Intel SDM vol. 1, "XSAVE Area").
const xmmOffset = 160

// fxBytes is the size of an FXSAVE area, and headerBytes that of the header of an XSAVE
// area, which follows it. The entry stubs clear the header on every CPU.
const (
	fxBytes     = 512
	headerBytes = 64
)

var (
	xsave        bool                  // the CPU has XSAVE
	stateSize    uintptr               // bytes of an XSAVE area, or of an FXSAVE area and a header
	components   uint64                // XCR0, or what FXSAVE saves
	mxcsrMask    uint32                // bits that MXCSR may have
	initialState uintptr               // an XSAVE area with XSTATE_BV 0, so all components get their reset state
	initialBytes [StateBytes + 64]byte // holds it; the linker does not align variables to the 64 bytes that XRSTOR needs
)

// UseState measures and prepares vector state. With XSAVE, XCR0 must be set.
//
// Context: boot CPU.
func UseState(withXSave bool) {
	xsave, stateSize, components = withXSave, fxBytes+headerBytes, cpu.XCR0X87|cpu.XCR0SSE
	if xsave {
		_, size, _, _ := cpu.CPUID(0x0d, 0)
		stateSize = uintptr(size)
		components = cpu.ReadXCR0()
	}
	initialState = (uintptr(unsafe.Pointer(&initialBytes)) + 63) &^ 63
	mxcsrMask = measureMask(initialState)
	ResetState(initialState)
}

// ResetState makes the StateBytes bytes at p the state after a reset.
func ResetState(p uintptr) {
	*(*[StateBytes]byte)(unsafe.Pointer(p)) = [StateBytes]byte{}
	SetReset(p)
}

// SetReset makes StateBytes bytes of 0 at p the state after a reset. For XRSTOR they are
// an XSAVE area that holds no component; FXRSTOR loads the two control words.
func SetReset(p uintptr) {
	*(*uint16)(unsafe.Pointer(p)) = cpu.FCWDefault
	*(*uint32)(unsafe.Pointer(p + 24)) = cpu.MXCSRDefault // XRSTOR loads it even with XSTATE_BV 0
}

// measureMask returns the bits that MXCSR may have on this CPU, by FXSAVE to p. A CPU
// that stores 0 has all but denormals-are-zero (Intel SDM vol. 1, "Guidelines for
// Writing to the MXCSR Register").
func measureMask(p uintptr) uint32 {
	cpu.SaveFX(p)
	if m := *(*uint32)(unsafe.Pointer(p + 28)); m != 0 {
		return m
	}
	return cpu.MXCSRDefaultMask
}

// XSave reports whether the CPUs have XSAVE.
func XSave() bool { return xsave }

// StateSize returns the size of the vector state of a signal frame, in bytes: an XSAVE
// area, or an FXSAVE area.
func StateSize() uintptr {
	if !xsave {
		return fxBytes
	}
	return stateSize
}

// Components returns the components that a vector state may hold: XCR0 with XSAVE.
func Components() uint64 { return components }

// MXCSRMask returns the bits that MXCSR may have. All others make a load fault.
func MXCSRMask() uint32 { return mxcsrMask }

// SaveLive saves the vector state of a ring-3 thread that is in a system call, f, in
// the StateBytes bytes at p, all of them 0: XSAVE leaves holes.
//
// Context: on the thread's kernel stack.
func SaveLive(f *cpu.Frame, p uintptr) {
	cpu.SaveState(p)
	saved := uintptr(unsafe.Pointer(f)) - keptBytes
	for i := range kept { // a copy of the array would be moved by X0
		cpu.Move16(unsafe.Pointer(p+xmmOffset+16*kept[i]), unsafe.Pointer(saved+16*uintptr(i)))
	}
	*(*uint64)(unsafe.Pointer(p + 512)) |= cpu.XCR0SSE // the registers on the stack may be the only ones that are not 0
}
