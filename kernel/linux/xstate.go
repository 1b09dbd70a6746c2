package linux

import (
	"unsafe"

	"muster/kernel/cpu"
	"muster/kernel/percpu"
	"muster/kernel/sched"
	"muster/kernel/trap"
)

// The vector state of a signal frame is an XSAVE area in the standard format, as on
// Linux (arch/x86/include/uapi/asm/sigcontext.h). A program may read it, change it and
// hand it back, or hand in one of its own, so every byte that goes out is defined and
// every byte that comes in is checked. On a CPU without XSAVE it is the 512 bytes of
// FXSAVE, without magic numbers: nothing may announce a header that is not there.

// xstate is memory for an XSAVE area.
type xstate = [trap.StateBytes]byte

// Offsets in an XSAVE area (Intel SDM vol. 1, "XSAVE Area").
const (
	xstateFCW      = 0
	xstateFSW      = 2
	xstatePointers = 6 // to 23: x87 opcode, instruction pointer and data pointer
	xstateMXCSR    = 24
	xstateReserved = 416 // to 463: reserved, not written by XSAVE
	xstateSoftware = 464 // to 511: left to software
	xstateBV       = 512 // the components that the area holds
	xstateXCOMP    = 520 // the format, and reserved bytes up to the end of the header
	xstateEnd      = 576
)

// fswSummary is the bit of the x87 status word for an exception that is pending. Without
// it, AMD's CPUs before Zen do not store the x87 pointers.
const fswSummary = 1 << 7

// software is what Linux stores in the bytes for software: struct _fpx_sw_bytes.
type software struct {
	magic    uint32
	extended uint32 // size with the second magic number
	features uint64 // XCR0
	size     uint32
	_        [7]uint32
}

var _ [xstateBV - xstateSoftware]byte = [unsafe.Sizeof(software{})]byte{}

// Magic numbers: the first in software, the second after the area. Without them a
// frame has the 512 bytes of FXSAVE alone.
const (
	magicFirst  = 0x46505853
	magicSecond = 0x46505845
)

// sealState defines the bytes of a vector state that XSAVE or FXSAVE does not write. They
// hold what the kernel stack held before, and a program must not see that.
func sealState(area uintptr) {
	p := unsafe.Pointer(area)
	*(*[xstateSoftware - xstateReserved]byte)(unsafe.Add(p, xstateReserved)) = [xstateSoftware - xstateReserved]byte{}
	if sched.X87Leak() && *(*uint16)(unsafe.Add(p, xstateFSW))&fswSummary == 0 {
		*(*[xstateMXCSR - xstatePointers]byte)(unsafe.Add(p, xstatePointers)) = [xstateMXCSR - xstatePointers]byte{}
	}
	if !trap.XSave() {
		*(*software)(unsafe.Add(p, xstateSoftware)) = software{}
		return
	}
	size := uint32(trap.StateSize())
	*(*software)(unsafe.Add(p, xstateSoftware)) = software{magic: magicFirst, extended: size + 4, features: trap.Components(), size: size}
	*(*[xstateEnd - xstateXCOMP]byte)(unsafe.Add(p, xstateXCOMP)) = [xstateEnd - xstateXCOMP]byte{}
}

// putState copies a sealed vector state to a program, and the second magic number after
// an XSAVE area.
func (t *Task) putState(c *percpu.CPU, to, area uintptr) bool {
	sealState(area)
	size := trap.StateSize()
	return t.Space.CopyOut(c, to, unsafe.Pointer(area), size) && (!trap.XSave() || t.Space.Store32(c, to+size, magicSecond))
}

// frameState returns the bytes that a frame needs for vector state.
func frameState() uint64 {
	if !trap.XSave() {
		return uint64(trap.StateSize())
	}
	return uint64(trap.StateSize()) + 4 // the second magic number
}

// takeState copies the vector state of a frame to t.xstate. It reports false for one that
// is not readable or that XRSTOR would refuse: Linux ends such a program by SIGSEGV.
func (t *Task) takeState(c *percpu.CPU, from uintptr) bool {
	x := &t.xstate
	*x = xstate{}
	if !t.Space.CopyIn(c, unsafe.Pointer(x), from, xstateBV) {
		return false
	}
	s := *(*software)(unsafe.Pointer(&x[xstateSoftware]))
	if trap.XSave() && s.whole(trap.StateSize()) {
		if end, ok := t.Space.Load32(c, from+uintptr(s.size)); ok && end == magicSecond {
			rest := uintptr(s.size) - xstateBV
			return t.Space.CopyIn(c, unsafe.Pointer(&x[xstateBV]), from+xstateBV, rest) && acceptState(x, s.features)
		}
	}
	*(*uint64)(unsafe.Pointer(&x[xstateBV])) = cpu.XCR0X87 | cpu.XCR0SSE
	return acceptState(x, cpu.XCR0X87|cpu.XCR0SSE)
}

// whole reports whether the bytes for software announce more than FXSAVE's 512 bytes:
// an area of a length that the CPU can have written.
func (s *software) whole(size uintptr) bool {
	return s.magic == magicFirst && s.size >= xstateEnd && uintptr(s.size) <= size && s.size <= s.extended
}

// acceptState reports whether XRSTOR takes an area: a state component that is not
// enabled, another format or a reserved bit would be a fault in ring 0. Components
// outside features get their initial state.
func acceptState(x *xstate, features uint64) bool {
	p := unsafe.Pointer(x)
	bv := (*uint64)(unsafe.Add(p, xstateBV))
	if *bv&^trap.Components() != 0 || *(*uint32)(unsafe.Add(p, xstateMXCSR))&^trap.MXCSRMask() != 0 {
		return false
	}
	for _, w := range (*[(xstateEnd - xstateXCOMP) / 8]uint64)(unsafe.Add(p, xstateXCOMP)) {
		if w != 0 {
			return false
		}
	}
	*bv &= features
	return true
}

// liveState saves the vector state of a ring-3 task that is in a system call, and
// returns the XSAVE area.
func (t *Task) liveState(f *cpu.Frame) uintptr {
	t.xstate = xstate{}
	area := uintptr(unsafe.Pointer(&t.xstate))
	trap.SaveLive(f, area)
	return area
}
