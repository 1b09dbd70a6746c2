package linux

import (
	"muster/kernel/cpu"
	"muster/kernel/layout"
	"muster/kernel/mem"
	"muster/kernel/percpu"
	"muster/kernel/sched"
	"muster/kernel/upcall"
	"muster/kernel/vector"
)

// Exception handles an exception of a thread outside the core. See upcall.Table.
//
//cpucheck:switches the entry stub goes on, and finds the block by GS
func Exception(c *percpu.CPU, f *cpu.Frame, xsave uintptr) uintptr {
	t := current(c)
	if f.Vector == vector.PageFault {
		addr := cpu.ReadCR2()
		switch t.fault(c, addr, f.Error) {
		case mem.Resolved:
		case mem.Exhausted:
			t.outOfMemory(c, f, addr)
		case mem.Forbidden:
			xsave = t.raise(c, f, xsave, info{SIGSEGV, codeAccErr, uint64(addr)})
		default:
			xsave = t.raise(c, f, xsave, info{SIGSEGV, codeMapErr, uint64(addr)})
		}
	} else {
		xsave = t.raise(c, f, xsave, signalOf(f))
	}
	if sched.Pending(c) {
		return sched.Leave(c, f, xsave)
	}
	return xsave
}

// fault brings in a page for t: its program's, or the kernel's own.
func (t *Task) fault(c *percpu.CPU, addr uintptr, code uint64) mem.Outcome {
	if addr >= layout.Poison && addr < layout.PoisonEnd {
		return mem.Unmapped
	}
	return t.Space.Fault(c, addr, code)
}

// signalOf returns the signal for an exception other than a page fault.
func signalOf(f *cpu.Frame) info {
	switch f.Vector {
	case vector.Divide:
		return info{SIGFPE, codeDivide, f.IP}
	case vector.Debug, vector.Breakpoint:
		return info{SIGTRAP, codeKernel, f.IP}
	case vector.InvalidOp:
		return info{SIGILL, codeIllOpn, f.IP}
	case vector.X87, vector.SIMD:
		return info{SIGFPE, codeFloat, f.IP}
	case vector.Alignment:
		return info{SIGBUS, 1, 0}
	}
	return info{SIGSEGV, codeKernel, 0} // #GP, #SS and the rest: a privileged instruction, a bad segment
}

// raise delivers the signal of an exception. The signal cannot be deferred: when
// the task blocks it, or has no handler, the process ends.
func (t *Task) raise(c *percpu.CPU, f *cpu.Frame, xsave uintptr, in info) uintptr {
	p := t.proc
	p.mu.Lock(c)
	handler := p.actions[in.sig].handler
	p.mu.Unlock(c)
	if t.mask&bit(in.sig) != 0 || handler == handlerDefault || handler == handlerIgnore {
		fatal(c, t, f, in)
		return xsave
	}
	return deliver(c, t, f, xsave, in)
}

// outOfMemory ends a program that gets no page. The kernel's own runtime has a
// reserve, and cannot go on without it.
func (t *Task) outOfMemory(c *percpu.CPU, f *cpu.Frame, addr uintptr) {
	if !t.proc.user {
		s := mem.ReadStats(c)
		upcall.To.Panic(c, f, "memory of the kernel's own runtime exhausted; free pages, of", s.Free, s.Total)
	}
	t.proc.report(c, t, "out of memory", uint64(addr), f.IP)
	t.proc.end(c, 128+SIGKILL)
}

// CoreFault handles a page fault inside the core. See upcall.Table.
func CoreFault(c *percpu.CPU, f *cpu.Frame, addr uintptr) bool {
	var s *mem.Space
	if t := current(c); t != nil {
		s = t.Space
	}
	return mem.Fixup(c, f, s, addr)
}
