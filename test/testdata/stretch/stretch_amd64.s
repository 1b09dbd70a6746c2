#include "textflag.h"

// func cloneCall(flags, sp uintptr) uintptr
//
// Makes a thread whose stack pointer is sp, where a call lies: number and six arguments.
// The thread makes the call once and exits. It uses no stack, so thousands of threads
// need 64 bytes each.
TEXT ·cloneCall(SB), NOSPLIT, $0-24
	MOVQ	flags+0(FP), DI
	MOVQ	sp+8(FP), SI
	XORL	DX, DX
	XORL	R10, R10
	XORL	R8, R8
	MOVL	$56, AX
	SYSCALL
	TESTQ	AX, AX
	JEQ	child
	MOVQ	AX, ret+16(FP)
	RET
child:
	MOVQ	SP, BX
	MOVQ	0(BX), AX
	MOVQ	8(BX), DI
	MOVQ	16(BX), SI
	MOVQ	24(BX), DX
	MOVQ	32(BX), R10
	MOVQ	40(BX), R8
	MOVQ	48(BX), R9
	SYSCALL
	XORL	DI, DI
	MOVL	$60, AX
	SYSCALL
	INT	$3

// func handler(): a signal handler that does nothing
TEXT ·handler(SB), NOSPLIT|NOFRAME, $0
	RET

// func hang(): a signal handler that never returns
TEXT ·hang(SB), NOSPLIT|NOFRAME, $0
again:
	MOVL	$34, AX
	SYSCALL
	JMP	again

TEXT ·hangPC(SB), NOSPLIT, $0-8
	LEAQ	·hang(SB), AX
	MOVQ	AX, ret+0(FP)
	RET

TEXT ·handlerPC(SB), NOSPLIT, $0-8
	LEAQ	·handler(SB), AX
	MOVQ	AX, ret+0(FP)
	RET
