#include "go_asm.h"
#include "textflag.h"
#include "entry.h"

// The way in by SYSCALL, and the fast way out. docs/04-traps.md explains why each
// step is needed.

// syscallEntry is where SYSCALL goes (MSR IA32_LSTAR).
//
// In:    interrupts off; RCX the caller's RIP, R11 its RFLAGS; the caller's
//        stack, FS, and in ring 3 its GS. The sign of RCX tells ring 0 from ring 3.
// Out:   through the fast exit below, or leave.
// Calls: syscallFn(c, frame), which returns how to leave.
TEXT ·syscallEntry(SB), NOSPLIT|NOFRAME|TOPFRAME, $0
	TESTQ	CX, CX
	JMI	ring0
	SWAPGS
	MOVQ	SP, const_offScratch(GS)
	MOVQ	const_offStackTop(GS), SP
	PUSHQ	$const_userSS
	PUSHQ	const_offScratch(GS)
	PUSHQ	R11
	PUSHQ	$const_userCS
	PUSHQ	CX
	PUSHQ	$0
	PUSHQ	$const_vecSyscall
	PUSHALL
	RDFSBASEQ AX                  // ring 3 may have changed it
	MOVQ	AX, const_offUserFS(GS)
	JMP	common

ring0:
	MOVQ	SP, R11               // ring 0's flags need not be kept
	SHRQ	$const_goShift, R11
	CMPL	R11, $const_goPrefix
	JNE	coreSyscall
	MOVQ	SP, const_offScratch(GS)
	MOVQ	const_offStackTop(GS), SP
	PUSHQ	$const_kernelSS
	PUSHQ	const_offScratch(GS)
	PUSHQ	$const_flagsOn
	PUSHQ	$const_kernelCS
	PUSHQ	CX
	PUSHQ	$0
	PUSHQ	$const_vecSyscall
	PUSHALL

common:
	ENTERGO
	MOVQ	SP, BX
	LINKFRAME
	MOVQ	const_offSelf(GS), AX
	SUBQ	$64, SP               // spill space of the callee
	MOVQ	·syscallFn(SB), DX
	MOVQ	(DX), CX
	CALL	CX
	ADDQ	$80, SP               // spill space and frame record
	TESTQ	AX, AX
	JNE	slow

	// Fast exit: vector registers are dead at a system call, x87 and MXCSR were
	// not touched. Ring 3 must not see what the core left in the vector registers.
	MOVQ	const_offUserFS(GS), AX
	WRFSBASEQ AX
	TESTB	$3, const_frameCS(SP)
	JNE	user
	POPALL
	MOVQ	16(SP), CX            // IP; vector and error lie below it
	MOVQ	40(SP), SP
	STI                           // takes effect after the JMP: no interrupt comes
	JMP	CX                    // between with this stack pointer half restored

user:
	CMPB	·haveAVX(SB), $0
	JEQ	noAVX
	VZEROALL
zeroed:
	CMPB	·clearBuffers(SB), $0
	JEQ	kept
	VERW	·dataSelector(SB)
kept:
	POPALL
	MOVQ	16(SP), CX
	MOVQ	32(SP), R11
	MOVQ	40(SP), SP
	SWAPGS
	BYTE	$0x48; SYSRET         // with REX.W: to 64-bit mode

noAVX:
	XORPS	X0, X0; XORPS X1, X1; XORPS X2, X2; XORPS X3, X3
	XORPS	X4, X4; XORPS X5, X5; XORPS X6, X6; XORPS X7, X7
	XORPS	X8, X8; XORPS X9, X9; XORPS X10, X10; XORPS X11, X11
	XORPS	X12, X12; XORPS X13, X13; XORPS X14, X14; XORPS X15, X15
	JMP	zeroed

slow:
	MOVQ	SP, BX
	JMP	·leave(SB)

coreSyscall:
	// Core code has called a part of the runtime that makes a system call: throw,
	// most likely.
	PUSHQ	$const_kernelSS
	PUSHQ	SP
	PUSHQ	$const_flagsOn
	PUSHQ	$const_kernelCS
	PUSHQ	CX
	PUSHQ	$0
	PUSHQ	$const_vecSyscall
	PUSHALL
	MOVQ	SP, BX
	JMP	·lost(SB)

DATA ·syscallPC+0(SB)/8, $·syscallEntry(SB)
GLOBL ·syscallPC(SB), RODATA|NOPTR, $8
