#include "textflag.h"

// A thread's context lies at BX: calls made, calls filled in, stop, resting stack pointer;
// the counts from 4 KiB on; the ring of calls from 64 KiB on.

#define MADE 0
#define FILLED 8
#define STOP 16
#define STACK 24
#define COUNTS 4096
#define RING 65536

// func spawn(flags, sp, context uintptr) uintptr
//
// Makes a thread that makes the calls of a ring. It runs no Go code and uses no stack.
TEXT ·spawn(SB), NOSPLIT, $0-32
	MOVQ	flags+0(FP), DI
	MOVQ	sp+8(FP), SI
	MOVQ	context+16(FP), BX
	XORL	DX, DX
	XORL	R10, R10
	XORL	R8, R8
	MOVL	$56, AX
	SYSCALL
	TESTQ	AX, AX
	JEQ	child
	MOVQ	AX, ret+24(FP)
	RET
child:
	JMP	·calls(SB)

// calls makes the calls of the ring, one after the other. R14 is the call's number and R13
// its script: a thread that the call makes may come to run when the ring has other calls.
TEXT ·calls(SB), NOSPLIT|NOFRAME, $0
next:
	MOVQ	MADE(BX), R12
	CMPQ	R12, FILLED(BX)
	JEQ	empty
	MOVQ	R12, R13
	ANDQ	$8191, R13
	SHLQ	$6, R13
	LEAQ	RING(BX)(R13*1), R13
	INCQ	R12
	MOVQ	R12, MADE(BX)
	MOVQ	0(R13), R14
	MOVQ	8(R13), DI
	MOVQ	16(R13), SI
	MOVQ	24(R13), DX
	MOVQ	32(R13), R10
	MOVQ	40(R13), R8
	MOVQ	48(R13), R9
	MOVQ	56(R13), R13
	MOVQ	R14, AX
	CMPL	AX, $15
	JEQ	sigreturn
	SYSCALL
	TESTQ	AX, AX
	JNE	count
	CMPL	R14, $56
	JEQ	child
	CMPL	R14, $435             // clone3
	JEQ	child
count:
	MOVQ	R14, CX
	CMPQ	CX, $511
	JLS	known
	MOVL	$511, CX
known:
	SHLQ	$4, CX
	LEAQ	COUNTS(BX)(CX*1), CX
	CMPQ	AX, $-4096
	JLS	well
	ADDQ	$8, CX
well:
	LOCK
	INCQ	0(CX)
	JMP	next

empty:
	CMPQ	STOP(BX), $0
	JNE	stop
	MOVL	$24, AX
	SYSCALL
	JMP	next

// The frame goes on at resume, with BX.
sigreturn:
	MOVQ	DI, SP
	SYSCALL
	INT	$3

// A thread that a call of the ring has made: it makes one call, and exits.
child:
	MOVQ	0(R13), AX
	MOVQ	8(R13), DI
	MOVQ	16(R13), SI
	MOVQ	24(R13), DX
	MOVQ	32(R13), R10
	MOVQ	40(R13), R8
	MOVQ	48(R13), R9
	SYSCALL
stop:
	MOVL	$60, AX
	XORL	DI, DI
	SYSCALL
	INT	$3

// resume is where a thread goes on after rt_sigreturn.
TEXT ·resume(SB), NOSPLIT|NOFRAME, $0
	CLD
	MOVQ	STACK(BX), SP
	LOCK
	INCQ	(COUNTS+15*16)(BX)
	JMP	·calls(SB)

// handler returns from a signal.
TEXT ·handler(SB), NOSPLIT|NOFRAME, $0
	RET

// fault returns from a signal that was sent. For the CPU's it ends the program with a
// line of its code and number, address, instruction, stack and context: no call of a ring may lead to one.
TEXT ·fault(SB), NOSPLIT|NOFRAME, $0
	MOVL	8(SI), AX             // si_code
	TESTL	AX, AX
	JGT	real
	RET
real:
	SHLQ	$32, AX
	ORQ	DI, AX
	LEAQ	·faultLine+16(SB), R9
	CALL	·hex(SB)
	MOVQ	16(SI), AX            // si_addr
	LEAQ	·faultLine+33(SB), R9
	CALL	·hex(SB)
	MOVQ	168(DX), AX           // RIP of the ucontext
	LEAQ	·faultLine+50(SB), R9
	CALL	·hex(SB)
	MOVQ	160(DX), AX           // RSP
	LEAQ	·faultLine+67(SB), R9
	CALL	·hex(SB)
	MOVQ	128(DX), AX           // RBX, the context of a thread that makes calls
	LEAQ	·faultLine+84(SB), R9
	CALL	·hex(SB)
	MOVL	$1, AX
	MOVL	$1, DI
	LEAQ	·faultLine(SB), SI
	MOVL	$101, DX
	SYSCALL
	MOVL	$231, AX
	MOVL	$70, DI
	SYSCALL
	INT	$3

// hex writes AX as 16 digits at R9.
TEXT ·hex(SB), NOSPLIT|NOFRAME, $0
	MOVL	$16, CX
digit:
	ROLQ	$4, AX
	MOVL	AX, R8
	ANDL	$15, R8
	CMPL	R8, $10
	JLT	decimal
	ADDL	$39, R8
decimal:
	ADDL	$48, R8
	MOVB	R8, (R9)
	INCQ	R9
	DECL	CX
	JNE	digit
	RET

// func addresses() (handler, fault, resume uintptr)
TEXT ·addresses(SB), NOSPLIT, $0-24
	LEAQ	·handler(SB), AX
	MOVQ	AX, handler+0(FP)
	LEAQ	·fault(SB), AX
	MOVQ	AX, fault+8(FP)
	LEAQ	·resume(SB), AX
	MOVQ	AX, resume+16(FP)
	RET
