#include "textflag.h"

TEXT ·Load32(SB), NOSPLIT, $0-12
	MOVQ	addr+0(FP), AX
	MOVL	(AX), CX
	MOVL	CX, ret+8(FP)
	RET

TEXT ·Store32(SB), NOSPLIT, $0-12
	MOVQ	addr+0(FP), AX
	MOVL	v+8(FP), CX
	MOVL	CX, (AX)
	RET

TEXT ·Load8(SB), NOSPLIT, $0-9
	MOVQ	addr+0(FP), AX
	MOVB	(AX), CX
	MOVB	CX, ret+8(FP)
	RET

TEXT ·Store8(SB), NOSPLIT, $0-9
	MOVQ	addr+0(FP), AX
	MOVB	v+8(FP), CX
	MOVB	CX, (AX)
	RET

TEXT ·Load16(SB), NOSPLIT, $0-10
	MOVQ	addr+0(FP), AX
	MOVW	(AX), CX
	MOVW	CX, ret+8(FP)
	RET

TEXT ·Store16(SB), NOSPLIT, $0-10
	MOVQ	addr+0(FP), AX
	MOVW	v+8(FP), CX
	MOVW	CX, (AX)
	RET
