#include "textflag.h"

// Without a frame of its own, BP is the caller's.
TEXT ·callerFrame(SB), NOSPLIT|NOFRAME, $0-8
	MOVQ	BP, ret+0(FP)
	RET

TEXT ·onStack(SB), NOSPLIT|NOFRAME, $0-32
	MOVQ	fn+0(FP), DX
	MOVQ	top+8(FP), BX
	MOVQ	fs+16(FP), AX
	MOVQ	fakeg+24(FP), R14
	WRFSBASEQ AX
	XORPS	X15, X15
	MOVQ	BX, SP
	SUBQ	$64, SP
	MOVQ	(DX), DX              // the func value: a pointer to the code pointer
	MOVQ	(DX), CX
	CALL	CX
	INT	$3
