#include "go_asm.h"
#include "textflag.h"

// Entry and exit of the core. docs/04-traps.md tells why each step is needed.
//
// Every interrupt and exception gets a stack from the TSS, since it may hit a
// goroutine whose stack has no room for a frame. The frame is then copied to the
// thread's kernel stack, where the handler may be switched away from.

#define PUSHALL \
	PUSHQ	AX; PUSHQ BX; PUSHQ CX; PUSHQ DX; PUSHQ BP; PUSHQ SI; PUSHQ DI; \
	PUSHQ	R8; PUSHQ R9; PUSHQ R10; PUSHQ R11; PUSHQ R12; PUSHQ R13; PUSHQ R14; PUSHQ R15
#define POPALL \
	POPQ	R15; POPQ R14; POPQ R13; POPQ R12; POPQ R11; POPQ R10; POPQ R9; POPQ R8; \
	POPQ	DI; POPQ SI; POPQ BP; POPQ DX; POPQ CX; POPQ BX; POPQ AX

// ENTERGO gives compiled code its FS, g and X15. Clobbers AX.
#define ENTERGO \
	MOVQ	const_offKernelFS(GS), AX; \
	WRFSBASEQ AX; \
	MOVQ	const_offKernelG(GS), R14; \
	MOVQ	R14, -8(AX); \
	XORPS	X15, X15

// LINKFRAME makes a frame-pointer record below SP from the Frame at BX, so that
// a stack walk goes on in the interrupted code.
#define LINKFRAME \
	PUSHQ	const_frameIP(BX); \
	PUSHQ	const_frameBP(BX); \
	MOVQ	SP, BP

// syscallEntry is where SYSCALL goes (MSR IA32_LSTAR).
//
// In:    interrupts off; RCX the caller's RIP, R11 its RFLAGS; the caller's
//        stack, FS, and in ring 3 its GS. The sign of RCX tells ring 0 from ring 3.
// Out:   through the fast exit below, or leave.
// Calls: syscallFn(c, frame), which returns how to leave.
TEXT ·syscallEntry(SB), NOSPLIT|NOFRAME|TOPFRAME, $0
	TESTQ	CX, CX
	JMI	ring0
	SWAPGS
	MOVQ	SP, const_offScratch(GS)
	MOVQ	const_offStackTop(GS), SP
	PUSHQ	$const_userSS
	PUSHQ	const_offScratch(GS)
	PUSHQ	R11
	PUSHQ	$const_userCS
	PUSHQ	CX
	PUSHQ	$0
	PUSHQ	$const_vecSyscall
	PUSHALL
	RDFSBASEQ AX                  // ring 3 may have changed it
	MOVQ	AX, const_offUserFS(GS)
	JMP	common

ring0:
	MOVQ	SP, R11               // flags of ring 0 need no keeping
	SHRQ	$const_goShift, R11
	CMPL	R11, $const_goPrefix
	JNE	coreSyscall
	MOVQ	SP, const_offScratch(GS)
	MOVQ	const_offStackTop(GS), SP
	PUSHQ	$const_kernelSS
	PUSHQ	const_offScratch(GS)
	PUSHQ	$const_flagsOn
	PUSHQ	$const_kernelCS
	PUSHQ	CX
	PUSHQ	$0
	PUSHQ	$const_vecSyscall
	PUSHALL

common:
	ENTERGO
	MOVQ	SP, BX
	LINKFRAME
	MOVQ	const_offSelf(GS), AX
	SUBQ	$64, SP               // spill space of the callee
	MOVQ	·syscallFn(SB), DX
	MOVQ	(DX), CX
	CALL	CX
	ADDQ	$80, SP               // spill space and frame record
	TESTQ	AX, AX
	JNE	slow

	// Fast exit: vector registers are dead at a system call, x87 and MXCSR were
	// not touched. Ring 3 must not see what the core left in the former.
	MOVQ	const_offUserFS(GS), AX
	WRFSBASEQ AX
	TESTB	$3, const_frameCS(SP)
	JNE	user
	POPALL
	MOVQ	16(SP), CX            // IP; vector and error lie below it
	MOVQ	40(SP), SP
	STI                           // takes effect behind the JMP: nothing gets in
	JMP	CX                    // between with this stack pointer half restored

user:
	CMPB	·haveAVX(SB), $0
	JEQ	noAVX
	VZEROALL
zeroed:
	CMPB	·clearBuffers(SB), $0
	JEQ	kept
	VERW	·dataSelector(SB)
kept:
	POPALL
	MOVQ	16(SP), CX
	MOVQ	32(SP), R11
	MOVQ	40(SP), SP
	SWAPGS
	BYTE	$0x48; SYSRET         // with REX.W: to 64-bit mode

noAVX:
	XORPS	X0, X0; XORPS X1, X1; XORPS X2, X2; XORPS X3, X3
	XORPS	X4, X4; XORPS X5, X5; XORPS X6, X6; XORPS X7, X7
	XORPS	X8, X8; XORPS X9, X9; XORPS X10, X10; XORPS X11, X11
	XORPS	X12, X12; XORPS X13, X13; XORPS X14, X14; XORPS X15, X15
	JMP	zeroed

slow:
	MOVQ	SP, BX
	JMP	·leave(SB)

coreSyscall:
	// Compiled code of the core has run into a part of the runtime that makes a
	// system call: throw, most likely.
	PUSHQ	$const_kernelSS
	PUSHQ	SP
	PUSHQ	$const_flagsOn
	PUSHQ	$const_kernelCS
	PUSHQ	CX
	PUSHQ	$0
	PUSHQ	$const_vecSyscall
	PUSHALL
	MOVQ	SP, BX
	JMP	·lost(SB)

// leave returns to a thread outside the core.
//
// In: interrupts off, BX the Frame, AX LeaveFrame or the address of an XSAVE area.
TEXT ·leave(SB), NOSPLIT|NOFRAME|TOPFRAME, $0
	MOVQ	BX, SP
	MOVQ	AX, BX
	CMPQ	BX, $const_LeaveFrame
	JNE	restore
	MOVQ	·initialState(SB), BX // XSTATE_BV is 0: everything to its reset state
restore:
	JMP	·restoreState(SB)

// restoreState is the only XRSTOR of a state that ring 3 may have written. If it
// faults, onInside restarts it with the initial state: its address is known.
//
// In: SP the Frame, BX the XSAVE area.
TEXT ·restoreState(SB), NOSPLIT|NOFRAME|TOPFRAME, $0
	MOVL	$-1, AX
	MOVL	$-1, DX
	XRSTOR64 (BX)
	MOVQ	const_offUserFS(GS), AX
	WRFSBASEQ AX
	TESTB	$3, const_frameCS(SP)
	JNE	user
	POPALL
	ADDQ	$16, SP
	IRETQ
user:
	CMPB	·clearBuffers(SB), $0
	JEQ	kept
	VERW	·dataSelector(SB)
kept:
	POPALL
	ADDQ	$16, SP
	SWAPGS
	IRETQ

// common is where all vectors but the paranoid ones meet, on the first IST stack.
//
// In:    SP: error code and vector, and below them what the CPU pushed.
// Out:   through leave, or back into the core.
// Calls: outsideFn(c, frame, xsave) or insideFn(c, frame).
TEXT ·common(SB), NOSPLIT|NOFRAME|TOPFRAME, $0
	PUSHALL
	CLD
	TESTB	$3, const_frameCS(SP)
	JEQ	ring0
	SWAPGS
	RDFSBASEQ AX
	MOVQ	AX, const_offUserFS(GS)
	MOVQ	const_offStackTop(GS), BX
	JMP	outside

ring0:
	// A stack pointer within the thread's kernel stack means: inside the core.
	MOVQ	const_frameSP(SP), AX
	MOVQ	const_offStackTop(GS), BX
	CMPQ	AX, const_offStackLow(GS)
	JCS	outside
	CMPQ	AX, BX
	JHI	outside
	LEAQ	-(128+const_frameSize)(AX), BX
	ANDQ	$~15, BX
	MOVQ	BX, DX
	SUBQ	const_offStackLow(GS), DX
	CMPQ	DX, $const_minStack
	JLT	overflow
	MOVQ	SP, SI
	MOVQ	BX, DI
	MOVL	$const_frameWords, CX
	REP;	MOVSQ
	MOVQ	BX, SP
	ENTERGO
	LINKFRAME
	MOVQ	const_offSelf(GS), AX
	SUBQ	$64, SP
	MOVQ	·insideFn(SB), DX
	MOVQ	(DX), CX
	CALL	CX
	ADDQ	$80, SP
	POPALL
	ADDQ	$16, SP
	IRETQ

overflow:
	MOVQ	SP, BX
	JMP	·lost(SB)

outside:
	SUBQ	$const_frameSize, BX
	MOVQ	SP, SI
	MOVQ	BX, DI
	MOVL	$const_frameWords, CX
	REP;	MOVSQ
	MOVQ	BX, SP
	SUBQ	·stateSize(SB), SP
	ANDQ	$~63, SP
	XORL	AX, AX
	MOVQ	AX, 512(SP); MOVQ AX, 520(SP); MOVQ AX, 528(SP); MOVQ AX, 536(SP)
	MOVQ	AX, 544(SP); MOVQ AX, 552(SP); MOVQ AX, 560(SP); MOVQ AX, 568(SP)
	MOVL	$-1, AX
	MOVL	$-1, DX
	XSAVE64	(SP)
	MOVQ	SP, CX
	PUSHQ	BX
	PUSHQ	BX                    // twice: keeps SP aligned to 16
	ENTERGO
	LINKFRAME
	MOVQ	const_offSelf(GS), AX
	SUBQ	$64, SP
	MOVQ	·outsideFn(SB), DX
	MOVQ	(DX), DI
	CALL	DI
	MOVQ	80(SP), BX
	JMP	·leave(SB)

// lost reports a state that the core cannot go on from: no room on its stack,
// or a system call of its own.
//
// In:    BX the Frame, anywhere.
// Calls: lostFn(c, frame) on the CPU's panic stack; it does not return.
TEXT ·lost(SB), NOSPLIT|NOFRAME|TOPFRAME, $0
	MOVQ	const_offPanicTop(GS), SP
	LEAQ	·lostG(SB), R14
	LEAQ	(const_fsInG)(R14), AX
	WRFSBASEQ AX
	XORPS	X15, X15
	LINKFRAME
	MOVQ	const_offSelf(GS), AX
	SUBQ	$64, SP
	MOVQ	·lostFn(SB), DX
	MOVQ	(DX), CX
	CALL	CX
	INT	$3

// paranoid is the way of NMI, double fault and machine check always, and of #DB
// when it hits ring 0: they may come between SYSCALL and SWAPGS, so the sign of
// GS is not known. The top word of each of these stacks is the CPU's block.
//
// In:    SP on an aligned stack of its own; error code and vector pushed.
// Calls: paranoidFn(c, frame), which takes no lock and no exception.
TEXT ·paranoid(SB), NOSPLIT|NOFRAME|TOPFRAME, $0
	PUSHALL
	CLD
	MOVQ	SP, BX
	MOVQ	SP, DX
	ORQ	$(const_ISTSize-1), DX
	MOVQ	-7(DX), SI            // the top word
	RDGSBASEQ AX
	PUSHQ	AX
	RDFSBASEQ AX
	PUSHQ	AX
	MOVQ	CR2, AX
	PUSHQ	AX
	WRGSBASEQ SI
	SUBQ	·stateSize(SB), SP
	ANDQ	$~63, SP
	XORL	AX, AX
	MOVQ	AX, 512(SP); MOVQ AX, 520(SP); MOVQ AX, 528(SP); MOVQ AX, 536(SP)
	MOVQ	AX, 544(SP); MOVQ AX, 552(SP); MOVQ AX, 560(SP); MOVQ AX, 568(SP)
	MOVQ	DX, R8
	MOVL	$-1, AX
	MOVL	$-1, DX
	XSAVE64	(SP)
	MOVQ	SP, CX
	PUSHQ	BX
	PUSHQ	CX
	LEAQ	(1-const_ISTReserved)(R8), R14 // the stack's own g, at its top
	LEAQ	(const_fsInG)(R14), AX
	WRFSBASEQ AX
	XORPS	X15, X15
	LINKFRAME
	MOVQ	SI, AX
	SUBQ	$64, SP
	MOVQ	·paranoidFn(SB), DX
	MOVQ	(DX), CX
	CALL	CX
	ADDQ	$80, SP
	POPQ	CX
	POPQ	BX
	MOVL	$-1, AX
	MOVL	$-1, DX
	XRSTOR64 (CX)
	LEAQ	-24(BX), SP
	POPQ	AX
	MOVQ	AX, CR2
	POPQ	AX
	WRFSBASEQ AX
	POPQ	AX
	WRGSBASEQ AX
	POPALL
	ADDQ	$16, SP
	IRETQ

// debugEntry sorts #DB: from ring 3 it is an exception like others, its frame
// on a stack of its own makes no difference.
TEXT ·debugEntry(SB), NOSPLIT|NOFRAME|TOPFRAME, $0
	TESTB	$3, 24(SP)            // CS, above vector, error code and IP
	JNE	user
	JMP	·paranoid(SB)
user:
	JMP	·common(SB)

// threadStart is where a new thread's first switch goes.
//
// In:    interrupts off, SP the thread's Frame at the top of its kernel stack.
// Calls: threadStartFn(c, frame), which returns how to leave.
TEXT ·threadStart(SB), NOSPLIT|NOFRAME|TOPFRAME, $0
	MOVQ	SP, BX
	ENTERGO
	PUSHQ	BX
	PUSHQ	BX
	LINKFRAME
	MOVQ	const_offSelf(GS), AX
	SUBQ	$64, SP
	MOVQ	·threadStartFn(SB), DX
	MOVQ	(DX), CX
	CALL	CX
	MOVQ	80(SP), BX
	JMP	·leave(SB)

// The addresses of code that tables and registers need.
DATA ·syscallPC+0(SB)/8, $·syscallEntry(SB)
GLOBL ·syscallPC(SB), RODATA|NOPTR, $8
DATA ·stubsPC+0(SB)/8, $·stubs(SB)
GLOBL ·stubsPC(SB), RODATA|NOPTR, $8
DATA ·threadStartPC+0(SB)/8, $·threadStart(SB)
GLOBL ·threadStartPC(SB), RODATA|NOPTR, $8
DATA ·restorePC+0(SB)/8, $·restoreState(SB)
GLOBL ·restorePC(SB), RODATA|NOPTR, $8
