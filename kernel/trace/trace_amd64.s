#include "go_asm.h"
#include "textflag.h"

// Interrupted is Add for the kind Interrupt. It is assembly because every interrupt calls
// it: it takes half the instructions.
//
// func Interrupted(c *percpu.CPU, vector, ip uint64)
TEXT ·Interrupted(SB), NOSPLIT, $0-24
	MOVQ	c+0(FP), BX
	MOVQ	const_offTrace(BX), DI
	TESTQ	DI, DI
	JEQ	none
	BTL	$const_Interrupt, ·On(SB)
	JCC	none
	MOVL	$1, CX
	LOCK
	XADDQ	CX, const_offTracePos(BX)
	MOVL	CX, AX
	ANDL	$(const_Len-1), AX
	SHLQ	$const_slotShift, AX
	ADDQ	AX, DI
	RDTSC
	SHLQ	$32, DX
	ORQ	DX, AX
	MOVQ	AX, const_slotTSC(DI)
	MOVQ	vector+8(FP), AX
	MOVQ	AX, const_slotA(DI)
	MOVQ	ip+16(FP), AX
	MOVQ	AX, const_slotB(DI)
	INCQ	CX
	SHLQ	$const_headSeq, CX
	MOVL	const_offThreadID(BX), AX
	ORQ	AX, CX
	MOVQ	$(const_Interrupt<<const_headKind), AX
	ORQ	AX, CX
	MOVQ	CX, const_slotHead(DI) // last; pairs with the Load in Read
none:
	RET
