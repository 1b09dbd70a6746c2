#include "textflag.h"

GLOBL	·resumeSP(SB), NOPTR, $8
GLOBL	·found(SB), NOPTR, $8

// func try(code, arg uintptr, rec *record): calls code with arg in RDI. A signal's handler
// fills in the record, and goes on at resume.
TEXT ·try(SB), NOSPLIT, $128-24
	MOVQ	rec+16(FP), AX
	MOVQ	AX, ·found(SB)
	MOVQ	R14, 104(SP)
	MOVQ	SP, ·resumeSP(SB)
	MOVQ	arg+8(FP), DI
	MOVQ	DI, SI
	MOVQ	code+0(FP), CX
	XORL	AX, AX
	XORL	DX, DX
	CALL	CX
	JMP	·resume(SB)

TEXT ·resume(SB), NOSPLIT|NOFRAME, $0
	MOVQ	·resumeSP(SB), SP
	MOVQ	104(SP), R14
	PUSHQ	$0x202                // no NT, no AC
	POPFQ
	BYTE	$0xdb; BYTE $0xe3     // FNINIT
	MOVL	$0x1f80, 0(SP)
	LDMXCSR	0(SP)
	XORPS	X15, X15
	ADDQ	$128, SP
	MOVQ	(SP), BP
	ADDQ	$8, SP
	RET

// handler: DI the signal, SI siginfo, DX ucontext.
TEXT ·handler(SB), NOSPLIT|NOFRAME, $0
	MOVQ	·found(SB), AX
	MOVQ	DI, 0(AX)
	MOVLQSX	8(SI), CX
	MOVQ	CX, 8(AX)
	MOVQ	16(SI), CX
	MOVQ	CX, 16(AX)
	MOVQ	(40+160)(DX), CX      // trapno
	MOVQ	CX, 24(AX)
	MOVQ	(40+152)(DX), CX      // err
	MOVQ	CX, 32(AX)
	MOVQ	(40+176)(DX), CX      // cr2
	MOVQ	CX, 40(AX)
	MOVQ	(40+128)(DX), CX      // ip
	MOVQ	CX, 48(AX)
	MOVQ	(40+144)(DX), CX      // segments
	MOVQ	CX, 56(AX)
	MOVQ	(40+136)(DX), CX      // flags
	MOVQ	CX, 64(AX)
	MOVQ	0(DX), CX             // uc_flags
	MOVQ	CX, 72(AX)
	LEAQ	·resume(SB), CX
	MOVQ	CX, (40+128)(DX)
	MOVQ	·resumeSP(SB), CX
	MOVQ	CX, (40+120)(DX)
	MOVQ	$0x202, (40+136)(DX)
	MOVQ	(40+184)(DX), CX      // fpstate
	MOVW	$0x37f, 0(CX)
	MOVW	$0, 2(CX)
	MOVL	$0x1f80, 24(CX)
	RET

TEXT ·handlerPC(SB), NOSPLIT, $0-8
	LEAQ	·handler(SB), AX
	MOVQ	AX, ret+0(FP)
	RET
