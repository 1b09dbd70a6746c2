#include "go_asm.h"
#include "textflag.h"
#include "entry.h"

// The way into the core of the vectors that may hit any instruction, and of states
// after which the core cannot go on.

// paranoid is the way of NMI, double fault and machine check always, and of #DB when
// it hits ring 0: they may come between SYSCALL and SWAPGS, so GS base may be either
// value. The top word of each of these stacks is the address of the CPU's block.
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
	MOVQ	SI, AX
	WRGSBASEQ AX
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
	CMPW	const_frameCS(SP), $const_kernelCS
	JEQ	kept
	CMPB	·clearBuffers(SB), $0
	JEQ	kept
	VERW	·dataSelector(SB)     // as in leaveUser
kept:
	POPALL
	ADDQ	$16, SP
	IRETQ

// debugEntry separates #DB by ring. From ring 3 it is an exception like others; a
// frame on its own stack makes no difference.
TEXT ·debugEntry(SB), NOSPLIT|NOFRAME|TOPFRAME, $0
	CMPW	24(SP), $const_kernelCS // CS, above vector, error code and IP
	JNE	user
	JMP	·paranoid(SB)
user:
	JMP	·common(SB)

// lost reports a state after which the core cannot go on: no room on its stack, or a
// system call of its own.
//
// In:    BX the Frame, anywhere.
// Calls: lostFn(c, frame) on the CPU's panic stack; it does not return.
TEXT ·lost(SB), NOSPLIT|NOFRAME|TOPFRAME, $0
	MOVQ	const_offPanicTop(GS), SP
	LEAQ	·lostG(SB), R14
	LEAQ	(const_fsInG)(R14), AX
	CALL	muster∕kernel∕oldcpu·writeFS(SB)
	XORPS	X15, X15
	LINKFRAME
	MOVQ	const_offSelf(GS), AX
	SUBQ	$64, SP
	MOVQ	·lostFn(SB), DX
	MOVQ	(DX), CX
	CALL	CX
	INT	$3
