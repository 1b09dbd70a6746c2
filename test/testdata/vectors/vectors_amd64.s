#include "textflag.h"

// LOAD and STORE are XRSTOR and XSAVE of x87, SSE and AVX, or FXRSTOR and FXSAVE on a CPU
// without them. Other components, as AMX's 8 KiB, would not fit an area. They clobber AX
// and DX. Compiled code expects a clean state, so each function loads the clean area at its
// end.
#define LOAD(area) \
	MOVL	$7, AX; \
	XORL	DX, DX; \
	CMPB	·old(SB), $0; \
	JNE	3(PC); \
	XRSTOR64 (area); \
	JMP	2(PC); \
	FXRSTOR64 (area)
#define STORE(area) \
	MOVL	$7, AX; \
	XORL	DX, DX; \
	CMPB	·old(SB), $0; \
	JNE	3(PC); \
	XSAVE64	(area); \
	JMP	2(PC); \
	FXSAVE64 (area)

// func hold(before, after, clean *area, call *[7]uintptr) uintptr
TEXT ·hold(SB), NOSPLIT, $0-40
	MOVQ	before+0(FP), BX
	MOVQ	call+24(FP), R12
	LOAD(BX)
	MOVQ	0(R12), AX
	MOVQ	8(R12), DI
	MOVQ	16(R12), SI
	MOVQ	24(R12), DX
	MOVQ	32(R12), R10
	MOVQ	40(R12), R8
	MOVQ	48(R12), R9
	SYSCALL
	MOVQ	AX, ret+32(FP)
	MOVQ	after+8(FP), BX
	STORE(BX)
	MOVQ	clean+16(FP), BX
	LOAD(BX)
	RET

// func spin(before, after, clean *area, n uintptr)
TEXT ·spin(SB), NOSPLIT, $0-32
	MOVQ	before+0(FP), BX
	MOVQ	n+24(FP), CX
	LOAD(BX)
loop:
	DECQ	CX
	JNZ	loop
	MOVQ	after+8(FP), BX
	STORE(BX)
	MOVQ	clean+16(FP), BX
	LOAD(BX)
	RET

// func child(stack uintptr, before, after, clean *area, done *uint32): clone with the
// flags of a thread; the child stores its state, says so and ends.
TEXT ·child(SB), NOSPLIT, $0-40
	MOVQ	before+8(FP), BX
	MOVQ	after+16(FP), R12
	MOVQ	done+32(FP), R13
	LOAD(BX)
	MOVL	$0x50f00, DI          // VM, FS, FILES, SIGHAND, THREAD, SYSVSEM
	MOVQ	stack+0(FP), SI
	XORL	DX, DX
	XORL	R10, R10
	XORL	R8, R8
	MOVL	$56, AX
	SYSCALL
	TESTQ	AX, AX
	JEQ	born
	MOVQ	clean+24(FP), BX
	LOAD(BX)
	RET
born:
	STORE(R12)
	MOVL	$1, (R13)
	MOVL	$60, AX
	XORL	DI, DI
	SYSCALL
	INT	$3

// handler spoils the vector state, which the return from the signal restores. It keeps
// what the frame says of its vector state: the flags of the ucontext, and the first magic
// number.
TEXT ·handler(SB), NOSPLIT|NOFRAME, $0
	MOVQ	0(DX), AX
	MOVQ	AX, ·frameFlags(SB)
	MOVQ	224(DX), AX           // address of the vector state
	MOVL	464(AX), AX
	MOVL	AX, ·frameMagic(SB)
	PCMPEQL	X0, X0; PCMPEQL X1, X1; PCMPEQL X2, X2; PCMPEQL X3, X3
	PCMPEQL	X4, X4; PCMPEQL X5, X5; PCMPEQL X6, X6; PCMPEQL X7, X7
	PCMPEQL	X8, X8; PCMPEQL X9, X9; PCMPEQL X10, X10; PCMPEQL X11, X11
	PCMPEQL	X12, X12; PCMPEQL X13, X13; PCMPEQL X14, X14; PCMPEQL X15, X15
	FLD1
	RET

TEXT ·handlerPC(SB), NOSPLIT, $0-8
	LEAQ	·handler(SB), AX
	MOVQ	AX, ret+0(FP)
	RET

TEXT ·cpuid1(SB), NOSPLIT, $0-4
	MOVL	$1, AX
	CPUID
	MOVL	CX, ret+0(FP)
	RET

TEXT ·xgetbv(SB), NOSPLIT, $0-8
	XORL	CX, CX
	XGETBV
	SHLQ	$32, DX
	ORQ	DX, AX
	MOVQ	AX, ret+0(FP)
	RET
