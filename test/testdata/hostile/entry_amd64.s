#include "textflag.h"

GLOBL	·attemptSP(SB), NOPTR, $8
GLOBL	·attemptFS(SB), NOPTR, $8
GLOBL	·attemptGS(SB), NOPTR, $8
GLOBL	·taken(SB), NOPTR, $8

// func attempt(code, data uintptr): jumps to code with data in every register. It goes on
// at resume when the handler has run.
TEXT ·attempt(SB), NOSPLIT, $128-16
	MOVQ	R14, 104(SP)
	RDFSBASEQ AX
	MOVQ	AX, ·attemptFS(SB)
	RDGSBASEQ AX
	MOVQ	AX, ·attemptGS(SB)
	MOVQ	SP, ·attemptSP(SB)
	MOVQ	code+0(FP), R12
	MOVQ	data+8(FP), AX
	MOVQ	AX, BX; MOVQ AX, CX; MOVQ AX, DX; MOVQ AX, SI; MOVQ AX, DI
	MOVQ	AX, R8; MOVQ AX, R9; MOVQ AX, R10; MOVQ AX, R11; MOVQ AX, R13; MOVQ AX, R14; MOVQ AX, R15
	MOVQ	AX, BP
	MOVQ	AX, SP
	JMP	R12

TEXT ·resume(SB), NOSPLIT|NOFRAME, $0
	MOVQ	·attemptFS(SB), AX
	WRFSBASEQ AX
	MOVQ	·attemptGS(SB), AX
	WRGSBASEQ AX
	MOVQ	·attemptSP(SB), SP
	PUSHQ	$0x202
	POPFQ
	BYTE	$0xdb; BYTE $0xe3     // FNINIT
	MOVL	$0x1f80, 0(SP)
	LDMXCSR	0(SP)
	XORPS	X15, X15
	MOVQ	104(SP), R14
	ADDQ	$128, SP
	MOVQ	(SP), BP
	ADDQ	$8, SP
	RET

// trapsIn is the handler: DX ucontext. It counts, and makes the program go on at resume.
TEXT ·trapsIn(SB), NOSPLIT|NOFRAME, $0
	INCQ	·taken(SB)
	LEAQ	·resume(SB), CX
	MOVQ	CX, (40+128)(DX)
	MOVQ	·attemptSP(SB), CX
	MOVQ	CX, (40+120)(DX)
	MOVQ	$0x202, (40+136)(DX)
	MOVQ	(40+184)(DX), CX      // fpstate
	MOVW	$0x37f, 0(CX)
	MOVW	$0, 2(CX)
	MOVL	$0x1f80, 24(CX)
	RET

// again is a handler that raises its signal.
TEXT ·again(SB), NOSPLIT|NOFRAME, $0
	MOVQ	DI, R12
	MOVL	$39, AX
	SYSCALL
	MOVQ	AX, R8
	MOVL	$186, AX
	SYSCALL
	MOVQ	R8, DI
	MOVQ	AX, SI
	MOVQ	R12, DX
	MOVL	$234, AX
	SYSCALL
	RET

#define ADDRESS(name, function) \
	TEXT name(SB), NOSPLIT, $0-8; \
	LEAQ	function(SB), AX; \
	MOVQ	AX, ret+0(FP); \
	RET

ADDRESS(·trapsPC, ·trapsIn)
ADDRESS(·againPC, ·again)

TEXT ·traps(SB), NOSPLIT, $0-8
	MOVQ	·taken(SB), AX
	MOVQ	AX, ret+0(FP)
	RET

// func loadSelectors(selector uint64): loads DS, ES, FS and GS. The bases stay.
TEXT ·loadSelectors(SB), NOSPLIT, $0-8
	MOVQ	selector+0(FP), AX
	RDFSBASEQ CX
	RDGSBASEQ DX
	MOVW	AX, DS
	MOVW	AX, ES
	MOVW	AX, FS
	MOVW	AX, GS
	WRFSBASEQ CX
	WRGSBASEQ DX
	RET

// func selectors() uint64: DS, ES, FS and GS, from the low end on.
TEXT ·selectors(SB), NOSPLIT, $0-8
	MOVW	GS, AX
	MOVWQZX	AX, AX
	MOVW	FS, CX
	MOVWQZX	CX, CX
	SHLQ	$16, AX
	ORQ	CX, AX
	MOVW	ES, CX
	MOVWQZX	CX, CX
	SHLQ	$16, AX
	ORQ	CX, AX
	MOVW	DS, CX
	MOVWQZX	CX, CX
	SHLQ	$16, AX
	ORQ	CX, AX
	MOVQ	AX, ret+0(FP)
	RET

// func keptFlags(flags uint64) (pid, after uint64)
TEXT ·keptFlags(SB), NOSPLIT, $0-24
	MOVQ	flags+0(FP), BX
	MOVL	$39, AX
	PUSHQ	BX
	POPFQ
	SYSCALL
	PUSHFQ
	POPQ	BX
	PUSHQ	$0x202
	POPFQ
	MOVQ	AX, pid+8(FP)
	MOVQ	BX, after+16(FP)
	RET

// func onStackAt(top uintptr) (pid uint64)
TEXT ·onStackAt(SB), NOSPLIT, $0-16
	MOVQ	SP, R13
	MOVQ	top+0(FP), SP
	MOVQ	$1, -8(SP)
	MOVL	$39, AX
	SYSCALL
	MOVQ	R13, SP
	MOVQ	AX, pid+8(FP)
	RET

// func invoke(pc uintptr) uint64
TEXT ·invoke(SB), NOSPLIT, $8-16
	MOVQ	pc+0(FP), CX
	CALL	CX
	MOVQ	AX, ret+8(FP)
	RET
