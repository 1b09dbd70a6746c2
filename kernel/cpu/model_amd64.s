#include "textflag.h"

TEXT ·TryReadMSR(SB), NOSPLIT, $0-17
	MOVL	msr+0(FP), CX
	MOVL	$1, BX                // SkipMSR clears it
	CALL	·tryMSR(SB)
	SHLQ	$32, DX
	ORQ	DX, AX
	MOVQ	AX, v+8(FP)
	MOVB	BX, ok+16(FP)
	RET

// tryMSR is a symbol whose first instruction is the RDMSR, so that its address is known.
TEXT ·tryMSR(SB), NOSPLIT|NOFRAME, $0
	RDMSR
	RET

DATA ·tryMSRPC+0(SB)/8, $·tryMSR(SB)
GLOBL ·tryMSRPC(SB), RODATA|NOPTR, $8
