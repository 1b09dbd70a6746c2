#include "textflag.h"

// The flag that compiled code reads before each store of a pointer.
TEXT ·dropBarriers(SB), NOSPLIT, $0-0
	MOVL	$0, runtime·writeBarrier(SB)
	RET

// Without a frame of its own, BP is the caller's.
TEXT ·callerFrame(SB), NOSPLIT|NOFRAME, $0-8
	MOVQ	BP, ret+0(FP)
	RET

TEXT ·onStack(SB), NOSPLIT|NOFRAME, $0-32
	MOVQ	fn+0(FP), DX
	MOVQ	top+8(FP), BX
	MOVQ	fs+16(FP), AX
	MOVQ	fakeg+24(FP), R14
	MOVQ	BX, SP
	CALL	muster∕kernel∕oldcpu·writeFS(SB)
	XORPS	X15, X15
	SUBQ	$64, SP
	MOVQ	(DX), DX              // the func value: a pointer to the code pointer
	MOVQ	(DX), CX
	CALL	CX
	INT	$3
