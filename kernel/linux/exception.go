package linux

import (
	"unsafe"

	"muster/kernel/cpu"
	"muster/kernel/layout"
	"muster/kernel/mem"
	"muster/kernel/percpu"
	"muster/kernel/sched"
	"muster/kernel/trace"
	"muster/kernel/vector"
)

// trapped is the last exception of a task that raised a signal. Every later signal
// frame shows it, as on Linux.
type trapped struct{ vector, err, cr2 uint64 }

// Bits of a page fault's error code (Intel SDM vol. 3A, "Page-Fault Exceptions").
const (
	faultPresent = 1 << 0
	faultUser    = 1 << 2
	faultFetch   = 1 << 4
)

// Exception handles an exception of a thread outside the core. See upcall.Table.
//
//cpucheck:switches the entry stub goes on, and finds the block by GS
func Exception(c *percpu.CPU, f *cpu.Frame, xsave uintptr) uintptr {
	t := current(c)
	if f.Vector == vector.PageFault {
		addr := cpu.ReadCR2()
		trace.Add(c, trace.Fault, uint64(addr), trace.FaultAt(f.IP, f.Error))
		switch found := t.fault(c, addr, f.Error); found {
		case mem.Resolved:
		case mem.Exhausted:
			c = t.outOfMemory(c, f)
		default:
			xsave = t.noPage(c, f, xsave, addr, found)
		}
	} else if in := signalOf(f, xsave, debugStatus(f)); in.sig != 0 {
		t.trapped.vector, t.trapped.err = f.Vector, f.Error
		xsave = t.raise(c, f, xsave, in)
	}
	if sched.Pending(c) {
		return sched.Leave(c, f, xsave)
	}
	return xsave
}

// noPage raises the signal for a page fault that could not be resolved.
func (t *Task) noPage(c *percpu.CPU, f *cpu.Frame, xsave, addr uintptr, found mem.Outcome) uintptr {
	code := int32(codeMapErr)
	if found == mem.Forbidden {
		code = codeAccErr
	}
	t.trapped = trapped{f.Vector, f.Error, uint64(addr)}
	if t.proc.user && addr >= layout.UserEnd {
		t.trapped.err |= faultPresent // or the program would see which addresses the kernel maps
	}
	return t.raise(c, f, xsave, info{SIGSEGV, code, uint64(addr)})
}

// debugStatus returns DR6 after a #DB, and clears it: the CPU only ever sets its bits.
func debugStatus(f *cpu.Frame) uint64 {
	if f.Vector != vector.Debug {
		return 0
	}
	v := cpu.ReadDR6()
	cpu.WriteDR6(cpu.DR6Clear)
	return v
}

// fault brings in a page for t: its program's, or the kernel's own.
func (t *Task) fault(c *percpu.CPU, addr uintptr, code uint64) mem.Outcome {
	if addr >= layout.Poison && addr < layout.PoisonEnd {
		return mem.Unmapped
	}
	return t.Space.Fault(c, addr, code)
}

// signalOf returns the signal for an exception other than a page fault, with Linux's
// code and address (arch/x86/kernel/traps.c); no signal for a floating-point exception
// that has gone. xsave is the vector state, debug is DR6.
func signalOf(f *cpu.Frame, xsave uintptr, debug uint64) info {
	switch f.Vector {
	case vector.Divide:
		return info{SIGFPE, codeDivide, f.IP}
	case vector.Debug:
		if debug&cpu.DR6Step != 0 {
			return info{SIGTRAP, codeTrace, f.IP}
		}
		return info{SIGTRAP, codeBreak, f.IP} // the instruction 0xf1
	case vector.Breakpoint:
		return info{SIGTRAP, codeKernel, 0}
	case vector.InvalidOp:
		return info{SIGILL, codeIllOpn, f.IP}
	case vector.X87, vector.SIMD:
		if code := floatCode(f.Vector, xsave); code != 0 {
			return info{SIGFPE, code, f.IP}
		}
		return info{}
	case vector.NotPresent, vector.Stack:
		return info{SIGBUS, codeKernel, 0}
	case vector.Alignment:
		return info{SIGBUS, codeAlign, 0}
	}
	return info{SIGSEGV, codeKernel, 0} // #GP, #OF and the rest: a privileged instruction, a bad segment
}

// floatCode returns the code of the floating-point exception that a vector state has
// pending and not masked: from the x87 status and control words, or from MXCSR (Intel
// SDM vol. 1, "x87 FPU Status Register", "MXCSR Control and Status Register").
func floatCode(v uint64, xsave uintptr) int32 {
	p := unsafe.Pointer(xsave)
	pending := uint16(0)
	if v == vector.X87 {
		pending = *(*uint16)(unsafe.Add(p, xstateFSW)) &^ *(*uint16)(unsafe.Add(p, xstateFCW))
	} else {
		m := *(*uint32)(unsafe.Add(p, xstateMXCSR))
		pending = uint16(m &^ (m >> 7))
	}
	switch {
	case pending&0x01 != 0:
		return codeFloatInvalid
	case pending&0x04 != 0:
		return codeFloatDivide
	case pending&0x08 != 0:
		return codeFloatOver
	case pending&0x12 != 0: // underflow, or a denormal operand
		return codeFloatUnder
	case pending&0x20 != 0:
		return codeFloatInexact
	}
	return 0
}

// raise delivers the signal of an exception. The signal cannot be deferred: when
// the task blocks it, or has no handler, the process ends.
func (t *Task) raise(c *percpu.CPU, f *cpu.Frame, xsave uintptr, in info) uintptr {
	p := t.proc
	handler := p.actions.get(c, &p.mu, in.sig).handler
	if t.mask.Load()&bit(in.sig) != 0 || handler == handlerDefault || handler == handlerIgnore {
		fatal(c, t, f, in)
		return xsave
	}
	return deliver(c, t, f, xsave, in)
}

// CoreFault handles a page fault inside the core. See upcall.Table.
func CoreFault(c *percpu.CPU, f *cpu.Frame, addr uintptr) bool {
	var s *mem.Space
	if t := current(c); t != nil {
		s = t.Space
	}
	return mem.Fixup(c, f, s, addr)
}
