package linux

import (
	"unsafe"

	"muster/kernel/cpu"
	"muster/kernel/percpu"
	"muster/kernel/trap"
)

// sigcontext holds the interrupted registers, in Linux's order
// (arch/x86/include/uapi/asm/sigcontext.h).
type sigcontext struct {
	r8, r9, r10, r11, r12, r13, r14, r15 uint64
	di, si, bp, bx, dx, ax, cx, sp, ip   uint64
	flags, segments                      uint64
	err, vector, oldmask, cr2            uint64
	fpstate                              uint64 // address of the XSAVE area, or 0
	_                                    [8]uint64
}

// ucontext is the second argument of a handler.
type ucontext struct {
	flags, link uint64
	stack       stackT
	regs        sigcontext
	mask        uint64
}

// siginfo is the third argument.
type siginfo struct {
	sig, errno, code int32
	_                int32
	value            uint64 // fault address, or process and user of the sender
	_                [13]uint64
}

// sigframe is the data at a handler's stack pointer.
type sigframe struct {
	restorer uint64
	uc       ucontext
	info     siginfo
}

var (
	_ [256]byte = [unsafe.Sizeof(sigcontext{})]byte{}
	_ [128]byte = [unsafe.Sizeof(siginfo{})]byte{}
	_ [40]byte  = [unsafe.Offsetof(ucontext{}.regs)]byte{}
)

// redZone below the stack pointer belongs to the interrupted code (System V ABI).
const redZone = 128

// pushFrame writes a signal frame to t's stack and makes f continue in the handler.
// ok is false when the stack has no room for it.
func pushFrame(c *percpu.CPU, t *Task, f *cpu.Frame, how uintptr, in info, a *action) (_ uintptr, ok bool) {
	sp := f.SP - redZone
	if a.flags&flagOnStack != 0 && t.altSize != 0 && !t.onAlt(f.SP) {
		sp = uint64(t.altLow + t.altSize)
	}
	state := how
	if how == trap.LeaveFast && t.proc.user {
		state = t.captureX87()
	}
	fp := uint64(0)
	if state > trap.LeaveFrame {
		size := trap.StateSize()
		fp = (sp - uint64(size)) &^ 63
		if !t.Space.CopyOut(c, uintptr(fp), unsafe.Pointer(state), size) {
			return how, false
		}
		sp = fp
	}
	sp = (sp-uint64(unsafe.Sizeof(sigframe{})))&^15 - 8 // as if called
	var sf sigframe
	fillFrame(&sf, t, f, in, a)
	sf.uc.regs.fpstate = fp
	if !t.Space.CopyOut(c, uintptr(sp), unsafe.Pointer(&sf), unsafe.Sizeof(sf)) {
		return how, false
	}
	mask := t.mask | a.mask
	if a.flags&flagNoDefer == 0 {
		mask |= bit(in.sig)
	}
	t.mask = mask &^ unblockable
	f.IP = a.handler
	f.SP = sp
	f.DI = in.sig
	f.SI = sp + uint64(unsafe.Offsetof(sf.info))
	f.DX = sp + uint64(unsafe.Offsetof(sf.uc))
	f.AX = 0
	f.Flags &^= cpu.FlagTrap | cpu.FlagDirection | cpu.FlagAC
	if t.proc.user && f.IP >= 1<<47 {
		f.IP = 0 // the handler's address is invalid: the jump to 0 faults
	}
	return trap.LeaveFrame, true
}

func fillFrame(sf *sigframe, t *Task, f *cpu.Frame, in info, a *action) {
	sf.restorer = a.restorer
	sf.uc.stack = stackT{sp: uint64(t.altLow), size: uint64(t.altSize)}
	sf.uc.mask = t.mask
	r := &sf.uc.regs
	r.r8, r.r9, r.r10, r.r11, r.r12, r.r13, r.r14, r.r15 = f.R8, f.R9, f.R10, f.R11, f.R12, f.R13, f.R14, f.R15
	r.di, r.si, r.bp, r.bx, r.dx, r.ax, r.cx = f.DI, f.SI, f.BP, f.BX, f.DX, f.AX, f.CX
	r.sp, r.ip, r.flags = f.SP, f.IP, f.Flags
	r.segments = f.CS&0xffff | f.SS<<48
	r.err, r.vector = f.Error, f.Vector
	if in.code != codeTkill && in.code != codeUser {
		r.cr2 = in.addr
	}
	sf.info = siginfo{sig: int32(in.sig), code: in.code, value: in.addr}
}

// captureX87 saves x87 state and MXCSR of a ring-3 task that is in a system
// call; its vector registers are dead. The result is an XSAVE area.
func (t *Task) captureX87() uintptr {
	p := unsafe.Pointer(&t.xstate)
	t.xstate = [stateBytes]byte{}
	cpu.SaveFX(uintptr(p))
	*(*[16 * 16]byte)(unsafe.Add(p, 160)) = [16 * 16]byte{} // clears what the core left in XMM
	*(*uint64)(unsafe.Add(p, xstateBV)) = cpu.XCR0X87 | cpu.XCR0SSE
	return uintptr(p)
}

// Offsets in an XSAVE area (Intel SDM vol. 1, "XSAVE Header").
const (
	xstateMXCSR  = 24
	xstateBV     = 512
	xstateXCOMP  = 520
	xstateHeader = 64
)

// Flags that rt_sigreturn takes from the frame; the rest are fixed.
const flagsFromFrame = 0xcd5 | cpu.FlagTrap | cpu.FlagAC // CF PF AF ZF SF DF OF, TF, AC

// sigreturn restores the state that pushFrame saved, with the handler's changes. It
// returns how to return to the thread.
func sigreturn(c *percpu.CPU, t *Task, f *cpu.Frame) uintptr {
	var uc ucontext
	if !t.Space.CopyIn(c, unsafe.Pointer(&uc), uintptr(f.SP), unsafe.Sizeof(uc)) {
		fatal(c, t, f, info{SIGSEGV, codeKernel, f.SP})
		return trap.LeaveFrame
	}
	r := &uc.regs
	if t.proc.user && r.ip >= 1<<47 {
		fatal(c, t, f, info{SIGSEGV, codeKernel, r.ip}) // IRET would fault on it in ring 0
		return trap.LeaveFrame
	}
	f.R8, f.R9, f.R10, f.R11, f.R12, f.R13, f.R14, f.R15 = r.r8, r.r9, r.r10, r.r11, r.r12, r.r13, r.r14, r.r15
	f.DI, f.SI, f.BP, f.BX, f.DX, f.AX, f.CX = r.di, r.si, r.bp, r.bx, r.dx, r.ax, r.cx
	f.SP, f.IP = r.sp, r.ip
	f.Flags = r.flags&flagsFromFrame | cpu.FlagFixed | cpu.FlagInterrupt
	if !t.proc.user {
		f.Flags &^= cpu.FlagTrap | cpu.FlagAC
	}
	t.setMask(uc.mask)
	if r.fpstate == 0 {
		return trap.LeaveFrame
	}
	if !t.Space.CopyIn(c, unsafe.Pointer(&t.xstate), uintptr(r.fpstate), trap.StateSize()) {
		fatal(c, t, f, info{SIGSEGV, codeKernel, r.fpstate})
		return trap.LeaveFrame
	}
	cleanState(&t.xstate)
	return uintptr(unsafe.Pointer(&t.xstate))
}

// cleanState makes an XSAVE area from user memory safe to restore: components that
// are enabled, the standard format, no reserved bits.
func cleanState(x *[stateBytes]byte) {
	p := unsafe.Pointer(x)
	bv := (*uint64)(unsafe.Add(p, xstateBV))
	*bv &= cpu.XCR0Wanted
	*(*[xstateHeader - 8]byte)(unsafe.Add(p, xstateXCOMP)) = [xstateHeader - 8]byte{}
	*(*uint32)(unsafe.Add(p, xstateMXCSR)) &= cpu.MXCSRDefaultMask
}
