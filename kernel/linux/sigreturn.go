package linux

import (
	"unsafe"

	"muster/kernel/cpu"
	"muster/kernel/percpu"
	"muster/kernel/trap"
	"muster/kernel/vector"
)

// rt_sigreturn takes a frame that the program may have written, and gives the program
// every register of it that ring 3 may have: what Linux accepts is accepted, what makes
// Linux raise SIGSEGV raises SIGSEGV.

// Flags that rt_sigreturn takes from the frame: CF PF AF ZF SF DF OF, TF, AC and RF. The
// rest are those of the system call: IF is set, IOPL is clear, NT and ID are ring 3's.
const flagsFromFrame = 0xcd5 | cpu.FlagTrap | cpu.FlagAC | cpu.FlagResume

// refusal says why a frame is not taken: the signal, and the exception that the first
// instruction after it would have been. The zero value is no refusal.
type refusal struct {
	info
	trapped trapped
}

// sigreturn restores the state that pushFrame saved, with the handler's changes. It
// returns how to return to the thread.
//
// Context: a system call; a program's frame that cannot be taken raises SIGSEGV.
func sigreturn(c *percpu.CPU, t *Task, f *cpu.Frame) uintptr {
	var uc ucontext
	if !t.Space.CopyIn(c, unsafe.Pointer(&uc), uintptr(f.SP), unsafe.Sizeof(uc)) {
		f.SetByCall()
		return t.raise(c, f, trap.LeaveFast, info{SIGSEGV, codeKernel, 0})
	}
	t.setMask(c, uc.mask)
	t.setAlt(f.SP, &uc.stack) // a wrong one, or a change of the one that the handler runs on, does nothing
	t.takeRegisters(f, &uc.regs)
	how := uintptr(trap.LeaveFrame)
	if from := uintptr(uc.regs.fpstate); from != 0 {
		if !t.takeState(c, from) {
			return t.raise(c, f, trap.LeaveFrame, info{SIGSEGV, codeKernel, 0})
		}
		how = uintptr(unsafe.Pointer(&t.xstate))
	}
	if !t.proc.user {
		return how
	}
	if r := refuse(&uc); r.sig != 0 {
		if r.trapped.vector != vector.PageFault {
			r.trapped.cr2 = t.trapped.cr2
		}
		t.trapped = r.trapped
		return t.raise(c, f, how, r.info)
	}
	return how
}

// takeRegisters loads the general registers, and the flags that ring 3 may set.
func (t *Task) takeRegisters(f *cpu.Frame, r *sigcontext) {
	f.R8, f.R9, f.R10, f.R11, f.R12, f.R13, f.R14, f.R15 = r.r8, r.r9, r.r10, r.r11, r.r12, r.r13, r.r14, r.r15
	f.DI, f.SI, f.BP, f.BX, f.DX, f.AX, f.CX = r.di, r.si, r.bp, r.bx, r.dx, r.ax, r.cx
	f.SP, f.IP = r.sp, r.ip
	f.Flags = f.Flags&^flagsFromFrame | r.flags&flagsFromFrame
	if !t.proc.user {
		f.Flags &^= cpu.FlagTrap | cpu.FlagAC | cpu.FlagResume
	}
}

// refuse returns why a program cannot go on with a frame's CS, SS and IP: IRET would
// fault on them in ring 0, or the program at its first instruction. Linux takes CS and
// SS with their privilege level set to 3, and SS only if the frame says so.
func refuse(uc *ucontext) (r refusal) {
	cs, ss := uc.regs.segments&0xffff|3, uc.regs.segments>>48|3
	bad := uint64(0)
	switch {
	case cs != cpu.UserCS:
		bad = cs &^ 3
	case ss != cpu.UserSS && uc.flags&contextStrictSS != 0:
		bad = ss &^ 3
	case uc.regs.ip < 1<<47:
		return r
	case uc.regs.ip>>47 == 1<<17-1: // canonical, and the kernel's
		return refusal{info{SIGSEGV, codeMapErr, uc.regs.ip},
			trapped{vector: vector.PageFault, err: faultUser | faultFetch | faultPresent, cr2: uc.regs.ip}}
	}
	return refusal{info{SIGSEGV, codeKernel, 0}, trapped{vector: vector.Protection, err: bad}}
}
