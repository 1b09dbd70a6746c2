#include "go_asm.h"
#include "textflag.h"
#include "entry.h"

// Entry and exit of the core. docs/04-traps.md explains why each step is needed.
//
// Every interrupt and exception gets a stack from the TSS, because the stack of an
// interrupted goroutine may have no room for a frame. The frame is then copied to
// the thread's kernel stack, where the handler may switch threads.

// common is the way of all vectors but the paranoid ones, on the first IST stack.
//
// In:    SP: error code and vector, and below them what the CPU pushed.
// Out:   through leave, or back into the core.
// Calls: outsideFn(c, frame, xsave) or insideFn(c, frame).
TEXT ·common(SB), NOSPLIT|NOFRAME|TOPFRAME, $0
	PUSHQ	AX
	PUSHQ	BX
	CMPW	const_istCS(SP), $const_kernelCS // not the privilege level: see cpu.Frame.Foreign
	JNE	program
	LFENCE                        // no load by GS before the branch above is decided
	// A stack pointer within the thread's kernel stack means that the core was
	// interrupted. Then the frame is pushed there, a word at a time: that is less than
	// to push it here and to copy it.
	MOVQ	const_istSP(SP), AX
	CMPQ	AX, const_offStackLow(GS)
	JCS	hosted
	CMPQ	AX, const_offStackTop(GS)
	JHI	hosted
	LEAQ	-128(AX), BX
	ANDQ	$~15, BX
	LEAQ	-(const_frameSize+const_minStack)(BX), AX
	CMPQ	AX, const_offStackLow(GS)
	JCS	overflow
	XCHGQ	SP, BX                // BX: the IST stack
	PUSHQ	const_istSS(BX)
	PUSHQ	const_istSP(BX)
	PUSHQ	const_istFlags(BX)
	PUSHQ	const_istCS(BX)
	PUSHQ	const_istIP(BX)
	PUSHQ	const_istError(BX)
	PUSHQ	const_istVector(BX)
	PUSHQ	const_istAX(BX)
	PUSHQ	(BX)
	PUSHREST
	CLD
	MOVQ	SP, BX
	ENTERGO
	LINKFRAME
	MOVQ	const_offSelf(GS), AX
	SUBQ	$64, SP
	MOVQ	·insideFn(SB), DX
	CALL	(DX)
	ADDQ	$80, SP
	POPALL
	ADDQ	$16, SP
	IRETQ

overflow:
	PUSHREST
	CLD
	MOVQ	SP, BX
	JMP	·lost(SB)

program:
	PUSHREST
	CLD
	SWAPGS
	LFENCE                        // as above
	RDFSBASEQ AX
	MOVQ	AX, const_offUserFS(GS)
	MOVQ	const_offStackTop(GS), BX
	JMP	outside

hosted: // the kernel's own Go code
	PUSHREST
	CLD
	MOVQ	const_offStackTop(GS), BX
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
	MOVL	$-1, AX
	MOVL	$-1, DX
	JMP	·restoreState(SB)

// restoreState is the only XRSTOR of a state that ring 3 may have written. It is the
// first instruction of a symbol, so that its address is known: if it faults, onInside
// restarts it with the initial state.
//
// In: SP the Frame, BX the XSAVE area, DX:AX all components.
TEXT ·restoreState(SB), NOSPLIT|NOFRAME|TOPFRAME, $0
	XRSTOR64 (BX)
	MOVQ	const_offUserFS(GS), AX
	WRFSBASEQ AX
	CMPW	const_frameCS(SP), $const_kernelCS
	JNE	user
	POPALL
	ADDQ	$16, SP
	IRETQ
user:
	JMP	·leaveUser(SB)

// leaveUser returns to ring 3 by IRET. What the core can leave in other registers than
// those of the Frame is restored.
//
// In: SP the Frame.
TEXT ·leaveUser(SB), NOSPLIT|NOFRAME|TOPFRAME, $0
	CMPB	·clearBuffers(SB), $0
	JEQ	kept
	VERW	·dataSelector(SB)
kept:
	POPALL
	ADDQ	$16, SP
	SWAPGS
	IRETQ

// threadStart is the return address of the first switch to a new thread.
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

// The addresses of code for tables and registers.
DATA ·stubsPC+0(SB)/8, $·stubs(SB)
GLOBL ·stubsPC(SB), RODATA|NOPTR, $8
DATA ·threadStartPC+0(SB)/8, $·threadStart(SB)
GLOBL ·threadStartPC(SB), RODATA|NOPTR, $8
DATA ·restorePC+0(SB)/8, $·restoreState(SB)
GLOBL ·restorePC(SB), RODATA|NOPTR, $8
