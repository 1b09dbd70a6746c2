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

TEXT ·tryWriteMSR(SB), NOSPLIT, $0-17
	MOVL	msr+0(FP), CX
	MOVQ	v+8(FP), AX
	MOVQ	AX, DX
	SHRQ	$32, DX
	MOVL	$1, BX                // SkipMSR clears it
	CALL	·tryWRMSR(SB)
	MOVB	BX, ok+16(FP)
	RET

// tryWRMSR is as tryMSR.
TEXT ·tryWRMSR(SB), NOSPLIT|NOFRAME, $0
	WRMSR
	RET

DATA ·tryWriteMSRPC+0(SB)/8, $·tryWRMSR(SB)
GLOBL ·tryWriteMSRPC(SB), RODATA|NOPTR, $8
