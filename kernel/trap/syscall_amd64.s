#include "go_asm.h"
#include "textflag.h"
#include "entry.h"

// The way in by SYSCALL, and the fast way out. docs/04-traps.md explains why each
// step is needed.

// KEEP and KEPT save and restore the vector registers that compiled core code uses, for
// ring 3: the build refuses core code that uses others (tools/layers/vectors.go). So a
// system call preserves all vector state, which C compilers rely on, for little.
#define KEEP \
	SUBQ	$const_keptBytes, SP; \
	MOVAPS	X0, 0(SP); MOVAPS X1, 16(SP); MOVAPS X14, 32(SP); MOVAPS X15, 48(SP)
#define KEPT \
	MOVAPS	0(SP), X0; MOVAPS 16(SP), X1; MOVAPS 32(SP), X14; MOVAPS 48(SP), X15; \
	ADDQ	$const_keptBytes, SP

// ANSWER calls the handler for the Frame at BX. AX says how to leave; the flags are
// those of comparing it with LeaveFast.
#define ANSWER \
	LINKFRAME; \
	MOVQ	const_offSelf(GS), AX; \
	SUBQ	$64, SP; \
	MOVQ	·syscallFn(SB), DX; \
	CALL	(DX); \
	ADDQ	$80, SP; \
	TESTQ	AX, AX

// syscallEntry is where SYSCALL goes (MSR IA32_LSTAR).
//
// In:    interrupts off; RCX the caller's RIP, R11 its RFLAGS; the caller's
//        stack, FS, and in ring 3 its GS. The sign of RCX tells ring 0 from ring 3.
// Out:   through the fast exits below, or leave.
// Calls: syscallFn(c, frame), which returns how to leave.
TEXT ·syscallEntry(SB), NOSPLIT|NOFRAME|TOPFRAME, $0
	TESTQ	CX, CX
	JMI	ring0
	SWAPGS
	LFENCE                        // no load by GS before the branch above is decided
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
	MOVQ	SP, BX
	KEEP
	RDFSBASEQ AX                  // ring 3 may have changed it
	MOVQ	AX, const_offUserFS(GS)
	ENTERGO
	ANSWER
	JNE	slowUser

	// Fast exit to ring 3.
	MOVQ	const_offUserFS(GS), AX
	WRFSBASEQ AX
	KEPT
	TESTL	$const_flagsByIRET, const_frameFlags(SP)
	JNE	byIRET                // SYSRET would trap before the next instruction, not after
	CMPB	·clearBuffers(SB), $0
	JEQ	kept
	VERW	·dataSelector(SB)
kept:
	POPALL
	MOVQ	16(SP), CX            // IP; vector and error lie below it
	MOVQ	32(SP), R11
	MOVQ	40(SP), SP
	SWAPGS
	BYTE	$0x48; SYSRET         // with REX.W: to 64-bit mode

byIRET:
	JMP	·leaveUser(SB)

slowUser:
	LEAQ	const_keptBytes(SP), BX
	JMP	·leave(SB)

ring0:
	LFENCE
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
	MOVQ	SP, BX
	ENTERGO
	ANSWER
	JNE	slow

	// Fast exit to ring 0: vector registers are dead at a call of Go code, x87 and
	// MXCSR were not touched.
	MOVQ	const_offUserFS(GS), AX
	WRFSBASEQ AX
	POPALL
	MOVQ	16(SP), CX
	MOVQ	40(SP), SP
	STI                           // takes effect after the JMP: no interrupt comes
	JMP	CX                    // between with this stack pointer half restored

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
