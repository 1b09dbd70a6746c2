#include "textflag.h"

TEXT ·call(SB), NOSPLIT, $8-8
	MOVQ	addr+0(FP), AX
	CALL	AX
	RET

#define FILL(i, X) \
	LEAQ	i(AX), CX; \
	MOVQ	CX, X; \
	PUNPCKLQDQ X, X

// CHECK adds 1 to DX if X differs from the value that FILL put there.
#define CHECK(i, X) \
	LEAQ	i(AX), CX; \
	MOVQ	X, BX; \
	CMPQ	BX, CX; \
	SETNE	BX; \
	MOVBLZX	BX, BX; \
	ADDQ	BX, DX; \
	PSRLDQ	$8, X; \
	MOVQ	X, BX; \
	CMPQ	BX, CX; \
	SETNE	BX; \
	MOVBLZX	BX, BX; \
	ADDQ	BX, DX

TEXT ·hold(SB), NOSPLIT, $0-24
	MOVQ	seed+0(FP), AX
	FILL(0, X0); FILL(1, X1); FILL(2, X2); FILL(3, X3)
	FILL(4, X4); FILL(5, X5); FILL(6, X6); FILL(7, X7)
	FILL(8, X8); FILL(9, X9); FILL(10, X10); FILL(11, X11)
	FILL(12, X12); FILL(13, X13); FILL(14, X14)
	MOVQ	n+8(FP), SI
loop:
	DECQ	SI
	JNZ	loop
	XORL	DX, DX
	CHECK(0, X0); CHECK(1, X1); CHECK(2, X2); CHECK(3, X3)
	CHECK(4, X4); CHECK(5, X5); CHECK(6, X6); CHECK(7, X7)
	CHECK(8, X8); CHECK(9, X9); CHECK(10, X10); CHECK(11, X11)
	CHECK(12, X12); CHECK(13, X13); CHECK(14, X14)
	MOVQ	DX, changed+16(FP)
	RET
