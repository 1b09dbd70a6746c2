#include "textflag.h"

// swaps is a handler that tries to change the stack on which it runs.
TEXT ·swaps(SB), NOSPLIT|NOFRAME, $0
	LEAQ	-512(SP), DI
	MOVQ	SP, AX
	SUBQ	$8192, AX
	MOVQ	AX, 0(DI)
	MOVQ	$0, 8(DI)
	MOVQ	$4096, 16(DI)
	LEAQ	-256(SP), SI
	MOVL	$131, AX
	SYSCALL
	RET

// func swapsPC() uintptr
TEXT ·swapsPC(SB), NOSPLIT, $0-8
	LEAQ	·swaps(SB), AX
	MOVQ	AX, ret+0(FP)
	RET
