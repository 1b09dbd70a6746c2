#include "textflag.h"

TEXT ·cli(SB), NOSPLIT, $0
	CLI
	RET
TEXT ·hlt(SB), NOSPLIT, $0
	HLT
	RET
TEXT ·out(SB), NOSPLIT, $0
	MOVL	$0x80, DX
	OUTB
	RET
TEXT ·rdmsr(SB), NOSPLIT, $0
	MOVL	$0x1b, CX
	RDMSR
	RET
TEXT ·lgdt(SB), NOSPLIT, $16
	LGDT	0(SP)
	RET
TEXT ·sidt(SB), NOSPLIT, $16
	SIDT	0(SP)
	RET
TEXT ·sgdt(SB), NOSPLIT, $16
	SGDT	0(SP)
	RET
TEXT ·sldt(SB), NOSPLIT, $0
	BYTE	$0x0f; BYTE $0x00; BYTE $0xc0 // SLDT AX
	RET
TEXT ·smsw(SB), NOSPLIT, $0
	BYTE	$0x0f; BYTE $0x01; BYTE $0xe0 // SMSW AX
	RET
TEXT ·str(SB), NOSPLIT, $0
	BYTE	$0x0f; BYTE $0x00; BYTE $0xc8 // STR AX
	RET
TEXT ·int80(SB), NOSPLIT, $0
	MOVL	$1, AX
	INT	$0x80
	RET
TEXT ·int3(SB), NOSPLIT, $0
	INT	$3
	RET
TEXT ·ud2(SB), NOSPLIT, $0
	UD2
	RET
TEXT ·divide(SB), NOSPLIT, $0
	XORL	CX, CX
	MOVL	$1, AX
	XORL	DX, DX
	DIVL	CX
	RET
TEXT ·jump(SB), NOSPLIT, $8-8
	MOVQ	addr+0(FP), AX
	CALL	AX
	RET
TEXT ·badStack(SB), NOSPLIT, $0-8
	MOVQ	sp+0(FP), AX
	MOVQ	AX, SP
	PUSHQ	AX
	INT	$3

// trapFlag single-steps into a system call.
TEXT ·trapFlag(SB), NOSPLIT, $8
	MOVL	$39, AX
	PUSHFQ
	ORQ	$0x100, 0(SP)
	POPFQ
	SYSCALL
	NOP
	NOP
	RET

TEXT ·flagsSyscall(SB), NOSPLIT, $8-16
	MOVQ	flags+0(FP), BX
	MOVL	$39, AX
	PUSHFQ
	ORQ	BX, 0(SP)
	POPFQ
	SYSCALL
	PUSHFQ
	ANDQ	$~0x44400, 0(SP)
	POPFQ
	CLD
	MOVQ	AX, ret+8(FP)
	RET

TEXT ·setGS(SB), NOSPLIT, $0-8
	MOVQ	v+0(FP), AX
	WRGSBASEQ AX
	RET
TEXT ·getGS(SB), NOSPLIT, $0-8
	RDGSBASEQ AX
	MOVQ	AX, ret+0(FP)
	RET

// spinGS returns the first GS base that differs from v within n rounds.
TEXT ·spinGS(SB), NOSPLIT, $0-24
	MOVQ	v+0(FP), BX
	MOVQ	n+8(FP), CX
loop:
	RDGSBASEQ AX
	CMPQ	AX, BX
	JNE	done
	DECQ	CX
	JNZ	loop
done:
	MOVQ	AX, ret+16(FP)
	RET

TEXT ·vectorsAfterSyscall(SB), NOSPLIT, $0-8
	XORPS	X0, X0; XORPS X1, X1; XORPS X2, X2; XORPS X3, X3
	XORPS	X4, X4; XORPS X5, X5; XORPS X6, X6; XORPS X7, X7
	XORPS	X8, X8; XORPS X9, X9; XORPS X10, X10; XORPS X11, X11
	XORPS	X12, X12; XORPS X13, X13; XORPS X14, X14; XORPS X15, X15
	MOVQ	out+0(FP), DI
	MOVL	$24, AX
	SYSCALL
	MOVQ	out+0(FP), DI
	MOVUPS	X0, 0(DI)
	MOVUPS	X1, 16(DI)
	MOVUPS	X2, 32(DI)
	MOVUPS	X3, 48(DI)
	MOVUPS	X4, 64(DI)
	MOVUPS	X5, 80(DI)
	MOVUPS	X6, 96(DI)
	MOVUPS	X7, 112(DI)
	MOVUPS	X8, 128(DI)
	MOVUPS	X9, 144(DI)
	MOVUPS	X10, 160(DI)
	MOVUPS	X11, 176(DI)
	MOVUPS	X12, 192(DI)
	MOVUPS	X13, 208(DI)
	MOVUPS	X14, 224(DI)
	MOVUPS	X15, 240(DI)
	RET

TEXT ·setControls(SB), NOSPLIT, $8-8
	LDMXCSR	mxcsr+0(FP)
	FLDCW	cw+4(FP)
	RET
TEXT ·getControls(SB), NOSPLIT, $0-8
	MOVL	$0, cw+4(FP)
	STMXCSR	mxcsr+0(FP)
	FSTCW	cw+4(FP)
	RET

// sigreturn makes frame the signal frame and returns from it.
TEXT ·sigreturn(SB), NOSPLIT, $0-8
	MOVQ	frame+0(FP), AX
	MOVQ	AX, SP
	MOVL	$15, AX
	SYSCALL
	INT	$3

// landing is where frames lead: it ends the program with status 42 and needs
// nothing but a stack pointer.
TEXT ·landing(SB), NOSPLIT, $0
	MOVL	$231, AX
	MOVL	$42, DI
	SYSCALL
	INT	$3
TEXT ·landingPC(SB), NOSPLIT, $0-8
	LEAQ	·landing(SB), AX
	MOVQ	AX, ret+0(FP)
	RET
