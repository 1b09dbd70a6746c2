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
	fpstate                              uint64 // address of the vector state, or 0
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
	value            uint64 // fault address; process and user of the sender; timer and overruns
	extra            uint64 // of a timer, what its maker gave
	_                [12]uint64
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

// Flags of a frame: it has an XSAVE area and SS, and rt_sigreturn shall take SS from it
// (arch/x86/include/uapi/asm/ucontext.h).
const (
	contextXState   = 1
	contextSS       = 2
	contextStrictSS = 4
)

func contextFlags() uint64 {
	if !trap.XSave() {
		return contextSS | contextStrictSS
	}
	return contextXState | contextSS | contextStrictSS
}

// redZone below the stack pointer belongs to the interrupted code (System V ABI).
const redZone = 128

// pushFrame writes a signal frame to t's stack and makes f continue in the handler.
// ok is false when the stack has no room for it.
func pushFrame(c *percpu.CPU, t *Task, f *cpu.Frame, how uintptr, in info, a *action) (_ uintptr, ok bool) {
	sp, alt := f.SP-redZone, t.onAlt(f.SP)
	if a.flags&flagOnStack != 0 && t.altSize != 0 && !alt {
		sp, alt = uint64(t.altLow+t.altSize), true
	}
	state := how
	if how == trap.LeaveFast && t.proc.user {
		state = t.liveState(f)
	}
	fp := uint64(0)
	if state > trap.LeaveFrame {
		fp = (sp - frameState()) &^ 63
		if alt && !t.onAlt(fp) || !t.putState(c, uintptr(fp), state) {
			return how, false
		}
		sp = fp
	}
	sp = (sp-uint64(unsafe.Sizeof(sigframe{})))&^15 - 8 // as if called
	if alt && !t.onAlt(sp) {
		return how, false // the frame would overwrite what lies below the alternate stack
	}
	var sf sigframe
	fillFrame(&sf, t, f, in, a)
	if fp != 0 {
		sf.uc.flags, sf.uc.regs.fpstate = contextFlags(), fp
	}
	if !t.Space.CopyOut(c, uintptr(sp), unsafe.Pointer(&sf), unsafe.Sizeof(sf)) {
		return how, false
	}
	mask := t.mask.Load() | a.mask
	if a.flags&flagNoDefer == 0 {
		mask |= bit(in.sig)
	}
	t.enterMask(c, mask)
	t.enterHandler(f, sp, in.sig, a)
	return trap.LeaveFrame, true
}

// enterHandler makes f continue in a handler, with a signal frame at sp.
func (t *Task) enterHandler(f *cpu.Frame, sp, sig uint64, a *action) {
	f.IP = a.handler
	f.SP = sp
	f.DI = sig
	f.SI = sp + uint64(unsafe.Offsetof(sigframe{}.info))
	f.DX = sp + uint64(unsafe.Offsetof(sigframe{}.uc))
	f.AX = 0
	f.Flags &^= cpu.FlagTrap | cpu.FlagDirection | cpu.FlagResume
	if !t.proc.user {
		f.Flags &^= cpu.FlagAC
	}
	if t.proc.user && f.IP >= 1<<47 {
		f.IP = 0 // the handler's address is invalid: the jump to 0 faults
	}
}

func fillFrame(sf *sigframe, t *Task, f *cpu.Frame, in info, a *action) {
	sf.restorer = a.restorer
	sf.uc.stack = stackT{sp: uint64(t.altLow), size: uint64(t.altSize)}
	if t.altSize == 0 {
		sf.uc.stack.flags = stackDisable
	}
	sf.uc.mask = t.frameMask()
	r := &sf.uc.regs
	r.r8, r.r9, r.r10, r.r11, r.r12, r.r13, r.r14, r.r15 = f.R8, f.R9, f.R10, f.R11, f.R12, f.R13, f.R14, f.R15
	r.di, r.si, r.bp, r.bx, r.dx, r.ax, r.cx = f.DI, f.SI, f.BP, f.BX, f.DX, f.AX, f.CX
	r.sp, r.ip, r.flags = f.SP, f.IP, f.Flags
	r.segments = f.CS&0xffff | f.SS<<48
	r.err, r.vector, r.cr2, r.oldmask = t.trapped.err, t.trapped.vector, t.trapped.cr2, sf.uc.mask
	sf.info = siginfo{sig: int32(in.sig), code: in.code, value: in.addr, extra: t.takeValue()}
}
