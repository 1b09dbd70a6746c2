#include "go_asm.h"
#include "textflag.h"
#include "entry.h"

// The way in by SYSCALL, and the fast way out. docs/04-traps.md explains why each
// step is needed.

// KEEP and KEPT save and restore the vector registers that compiled core code uses, for
// ring 3: the build refuses core code that uses others (tools/layers/vectors.go). So a
// system call preserves all vector state, which C compilers rely on, for little.
#define KEEP \
	MOVAPS	X0, (const_spill+0)(SP); MOVAPS X1, (const_spill+16)(SP); \
	MOVAPS	X14, (const_spill+32)(SP); MOVAPS X15, (const_spill+48)(SP)
#define KEPT \
	MOVAPS	(const_spill+0)(SP), X0; MOVAPS (const_spill+16)(SP), X1; \
	MOVAPS	(const_spill+32)(SP), X14; MOVAPS (const_spill+48)(SP), X15

// CALLGO is ENTERGO for a thread that was outside the core: there its g is still the one that was stored.
#define CALLGO \
	MOVQ	const_offKernelFS(GS), AX; \
	WRFSBASEQ AX; \
	MOVQ	const_offKernelG(GS), R14; \
	XORPS	X15, X15

// ANSWER calls the handler for the Frame at BX. AX says how to leave; the flags are
// those of comparing it with LeaveFast.
#define ANSWER \
	MOVQ	const_offSelf(GS), AX; \
	MOVQ	·syscallFn(SB), DX; \
	CALL	(DX); \
	TESTQ	AX, AX

// The Frame of a program lies so far above the stack pointer while its call is answered: first the words that the
// handler may use for its arguments, then the kept registers and the frame-pointer record.
#define FRAME (const_spill + const_keptBytes + const_recordBytes)

// FROMFRAME is what SYSRET needs in RCX, and the registers of a program but R11, from its Frame. Those are fewer
// instructions than POPALL.
#define FROMFRAME \
	MOVQ	(FRAME+const_frameR15)(SP), R15; MOVQ (FRAME+const_frameR14)(SP), R14; \
	MOVQ	(FRAME+const_frameR13)(SP), R13; MOVQ (FRAME+const_frameR12)(SP), R12; \
	MOVQ	(FRAME+const_frameR10)(SP), R10; MOVQ (FRAME+const_frameR9)(SP), R9; \
	MOVQ	(FRAME+const_frameR8)(SP), R8; MOVQ (FRAME+const_frameDI)(SP), DI; \
	MOVQ	(FRAME+const_frameSI)(SP), SI; MOVQ (FRAME+const_frameBP)(SP), BP; \
	MOVQ	(FRAME+const_frameDX)(SP), DX; MOVQ (FRAME+const_frameBX)(SP), BX; \
	MOVQ	(FRAME+const_frameAX)(SP), AX; MOVQ (FRAME+const_frameIP)(SP), CX; \
	MOVQ	(FRAME+const_frameSP)(SP), SP

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
	LINKFRAME
	SUBQ	$(const_spill+const_keptBytes), SP
	KEEP
	RDFSBASEQ AX                  // ring 3 may have changed it
	MOVQ	AX, const_offUserFS(GS)
	CALLGO
	ANSWER
	JNE	slowUser

	// Fast exit to ring 3.
	MOVQ	const_offUserFS(GS), AX
	WRFSBASEQ AX
	KEPT
	MOVQ	(FRAME+const_frameFlags)(SP), R11
	TESTL	·special(SB), R11
	JNE	specialExit
registers:
	FROMFRAME
	SWAPGS
	BYTE	$0x48; SYSRET         // with REX.W: to 64-bit mode

specialExit:
	TESTL	$const_flagsByIRET, R11
	JNE	byIRET                // SYSRET would trap before the next instruction, not after
	VERW	·dataSelector(SB)     // special also holds if buffers are to be cleared, and no flag needs IRET
	JMP	registers

byIRET:
	ADDQ	$FRAME, SP
	JMP	·leaveUser(SB)

slowUser:
	LEAQ	FRAME(SP), BX
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
	LINKFRAME
	SUBQ	$const_spill, SP
	CALLGO
	ANSWER
	JNE	slow

	// Fast exit to ring 0: vector registers are dead at a call of Go code, x87 and
	// MXCSR were not touched.
	MOVQ	const_offUserFS(GS), AX
	WRFSBASEQ AX
	ADDQ	$(const_spill+const_recordBytes), SP
	POPALL
	MOVQ	16(SP), CX            // IP; vector and error lie below it
	MOVQ	40(SP), SP
	STI                           // takes effect after the JMP: no interrupt comes
	JMP	CX                    // between with this stack pointer half restored

slow:
	LEAQ	(const_spill+const_recordBytes)(SP), BX
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
