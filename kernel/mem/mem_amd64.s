#include "textflag.h"

// clearPage stores zeros, 16 bytes with each instruction: under -icount an
// iteration of REP STOS counts as an instruction, and 256 of these are fewer than
// 512 of those.
TEXT ·clearPage(SB), NOSPLIT, $0-8
	MOVQ	va+0(FP), DI
	XORPS	X15, X15
	MOVL	$16, CX
loop:
	MOVUPS	X15, 0(DI)
	MOVUPS	X15, 16(DI)
	MOVUPS	X15, 32(DI)
	MOVUPS	X15, 48(DI)
	MOVUPS	X15, 64(DI)
	MOVUPS	X15, 80(DI)
	MOVUPS	X15, 96(DI)
	MOVUPS	X15, 112(DI)
	MOVUPS	X15, 128(DI)
	MOVUPS	X15, 144(DI)
	MOVUPS	X15, 160(DI)
	MOVUPS	X15, 176(DI)
	MOVUPS	X15, 192(DI)
	MOVUPS	X15, 208(DI)
	MOVUPS	X15, 224(DI)
	MOVUPS	X15, 240(DI)
	ADDQ	$256, DI
	DECL	CX
	JNZ	loop
	RET

TEXT ·Copy(SB), NOSPLIT, $0-24
	MOVQ	to+0(FP), DI
	MOVQ	from+8(FP), SI
	MOVQ	n+16(FP), BX
	MOVQ	BX, CX
	SHRQ	$3, CX
	REP;	MOVSQ
	MOVQ	BX, CX
	ANDQ	$7, CX
	REP;	MOVSB
	RET

// The instructions that touch user memory. Each is the first of a symbol, so a page
// fault there is recognised by its address alone: fixups in access.go. A fault that
// cannot be resolved continues at accessFailed, which makes DX 1.

TEXT ·accessBytes(SB), NOSPLIT|NOFRAME, $0
	REP;	MOVSB
	RET
TEXT ·accessWords(SB), NOSPLIT|NOFRAME, $0
	REP;	MOVSQ
	RET
TEXT ·accessLoad64(SB), NOSPLIT|NOFRAME, $0
	MOVQ	(SI), AX
	RET
TEXT ·accessStore64(SB), NOSPLIT|NOFRAME, $0
	MOVQ	AX, (DI)
	RET
TEXT ·accessLoad32(SB), NOSPLIT|NOFRAME, $0
	MOVL	(SI), AX
	RET
TEXT ·accessStore32(SB), NOSPLIT|NOFRAME, $0
	MOVL	AX, (DI)
	RET
TEXT ·accessSwap32(SB), NOSPLIT|NOFRAME, $0
	LOCK; CMPXCHGL	CX, (DI)
	RET
TEXT ·accessFailed(SB), NOSPLIT|NOFRAME, $0
	MOVL	$1, DX
	RET

// OPEN and CLOSE set AC, so that SMAP lets the core at user pages, and clear it.
#define OPEN \
	CMPB	·smap(SB), $0; \
	JEQ	2(PC); \
	STAC
#define CLOSE \
	CMPB	·smap(SB), $0; \
	JEQ	2(PC); \
	CLAC

TEXT ·copyUser(SB), NOSPLIT, $8-25
	MOVQ	dst+0(FP), DI
	MOVQ	src+8(FP), SI
	MOVQ	n+16(FP), BX
	XORL	DX, DX
	OPEN
	MOVQ	BX, CX
	SHRQ	$3, CX
	CALL	·accessWords(SB)
	TESTL	DX, DX
	JNE	done
	MOVQ	BX, CX
	ANDQ	$7, CX
	CALL	·accessBytes(SB)
done:
	CLOSE
	TESTL	DX, DX
	SETEQ	ret+24(FP)
	RET

// LOAD and STORE are the code of func values: the arguments and the results are in AX and BX. For BP, R14
// and X15 see package sched.
#define LOAD(access) \
	MOVQ	AX, SI; \
	XORL	DX, DX; \
	XORL	AX, AX; \
	OPEN; \
	CALL	access(SB); \
	CLOSE; \
	TESTL	DX, DX; \
	SETEQ	BX; \
	RET
#define STORE(access) \
	MOVQ	AX, DI; \
	MOVQ	BX, AX; \
	XORL	DX, DX; \
	OPEN; \
	CALL	access(SB); \
	CLOSE; \
	TESTL	DX, DX; \
	SETEQ	AX; \
	RET

TEXT ·load64Code(SB), NOSPLIT|NOFRAME, $0-0
	LOAD(·accessLoad64)
TEXT ·store64Code(SB), NOSPLIT|NOFRAME, $0-0
	STORE(·accessStore64)
TEXT ·load32Code(SB), NOSPLIT|NOFRAME, $0-0
	LOAD(·accessLoad32)
TEXT ·store32Code(SB), NOSPLIT|NOFRAME, $0-0
	STORE(·accessStore32)

TEXT ·swap32(SB), NOSPLIT, $8-21
	MOVQ	dst+0(FP), DI
	MOVL	old+8(FP), AX
	MOVL	v+12(FP), CX
	XORL	DX, DX
	OPEN
	CALL	·accessSwap32(SB)
	CLOSE
	MOVL	AX, was+16(FP)
	TESTL	DX, DX
	SETEQ	ok+20(FP)
	RET

DATA ·accessPCs+0(SB)/8, $·accessBytes(SB)
DATA ·accessPCs+8(SB)/8, $·accessWords(SB)
DATA ·accessPCs+16(SB)/8, $·accessLoad64(SB)
DATA ·accessPCs+24(SB)/8, $·accessStore64(SB)
DATA ·accessPCs+32(SB)/8, $·accessLoad32(SB)
DATA ·accessPCs+40(SB)/8, $·accessStore32(SB)
DATA ·accessPCs+48(SB)/8, $·accessSwap32(SB)
GLOBL ·accessPCs(SB), RODATA|NOPTR, $56
DATA ·accessFailedPC+0(SB)/8, $·accessFailed(SB)
GLOBL ·accessFailedPC(SB), RODATA|NOPTR, $8

// A func value is the address of a word that holds the code's address.
DATA ·codes+0(SB)/8, $·load64Code(SB)
DATA ·codes+8(SB)/8, $·store64Code(SB)
DATA ·codes+16(SB)/8, $·load32Code(SB)
DATA ·codes+24(SB)/8, $·store32Code(SB)
GLOBL ·codes(SB), RODATA|NOPTR, $32
DATA ·load64+0(SB)/8, $·codes+0(SB)
GLOBL ·load64(SB), RODATA, $8
DATA ·store64+0(SB)/8, $·codes+8(SB)
GLOBL ·store64(SB), RODATA, $8
DATA ·load32+0(SB)/8, $·codes+16(SB)
GLOBL ·load32(SB), RODATA, $8
DATA ·store32+0(SB)/8, $·codes+24(SB)
GLOBL ·store32(SB), RODATA, $8
