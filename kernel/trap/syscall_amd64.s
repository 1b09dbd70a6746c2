#include "go_asm.h"
#include "textflag.h"
#include "entry.h"

// The way in by SYSCALL, and the fast way out. docs/04-traps.md explains why each
// step is needed.

// KEEP and KEPT save and restore the vector registers that compiled core code uses, for
// ring 3: the build refuses core code that uses others (tools/layers/vectors.go). So a
// system call preserves all vector state, which C compilers rely on, for little.
#define KEEP \
	MOVAPS	X14, (const_spill+0)(SP); MOVAPS X15, (const_spill+16)(SP)
#define KEPT \
	MOVAPS	(const_spill+0)(SP), X14; MOVAPS (const_spill+16)(SP), X15

// The Frame of a thread lies so far above the stack pointer while its call is answered: first the words that the
// handler may use for its arguments, then the kept registers.
#define FRAME (const_spill + const_keptBytes)

// SAVE stores the registers of the caller in its Frame, of which SS and SP are pushed: all but CX and
// R11, which SYSCALL has changed, and BP, which is where traps have their error code (see cpu.Frame.SetByCall). That word and IP, which
// follows it, are a frame-pointer record, so that a stack walk continues in the caller. CS of a thread never
// changes, so it is not stored. Storing below the stack pointer is safe, as each interrupt has a stack of its own. Then CX is the Frame, and the stack
// pointer and the frame pointer are those with which the handler is called.
#define SAVE \
	MOVQ	CX, (const_frameIP-const_frameSP)(SP); \
	MOVQ	$const_vecSyscall, (const_frameVector-const_frameSP)(SP); \
	MOVQ	AX, (const_frameAX-const_frameSP)(SP); MOVQ BX, (const_frameBX-const_frameSP)(SP); \
	MOVQ	DX, (const_frameDX-const_frameSP)(SP); MOVQ BP, (const_frameError-const_frameSP)(SP); \
	MOVQ	SI, (const_frameSI-const_frameSP)(SP); MOVQ DI, (const_frameDI-const_frameSP)(SP); \
	MOVQ	R8, (const_frameR8-const_frameSP)(SP); MOVQ R9, (const_frameR9-const_frameSP)(SP); \
	MOVQ	R10, (const_frameR10-const_frameSP)(SP); MOVQ R12, (const_frameR12-const_frameSP)(SP); \
	MOVQ	R13, (const_frameR13-const_frameSP)(SP); MOVQ R14, (const_frameR14-const_frameSP)(SP); \
	MOVQ	R15, (const_frameR15-const_frameSP)(SP); \
	LEAQ	(const_frameError-const_frameSP)(SP), BP; \
	LEAQ	(-const_frameSP)(SP), CX; \
	SUBQ	$(const_frameSP+FRAME), SP

// FIND loads the func value of the handler for the call AX. The mask bounds the index also where the CPU guesses the
// branch wrong.
#define FIND(other) \
	CMPL	AX, ·callLimit(SB); \
	JCC	other; \
	ANDL	$(const_callSlots-1), AX; \
	LEAQ	·callTable(SB), DX; \
	MOVQ	(DX)(AX*8), DX

// ANSWER calls the handler DX for the Frame at CX. FS is loaded as by ENTERGO, without the store of g: the thread was
// outside the core, so that is still the one that was stored. Then AX is the CPU's block and BX the result; one that needs more
// than to be returned goes to answer.
#define ANSWER \
	MOVQ	const_offKernelFS(GS), AX; \
	WRFSBASEQ AX; \
	MOVQ	const_offKernelG(GS), R14; \
	XORPS	X15, X15; \
	MOVQ	const_offSelf(GS), AX; \
	MOVQ	const_offCurrent(GS), BX; \
	CALL	(DX); \
	CMPQ	BX, $-const_NoMemory; \
	JEQ	answer; \
	CMPQ	const_offResched(AX), $0; \
	JNE	answer; \
	MOVQ	const_offCurrent(AX), CX; \
	CMPL	const_WorkOffset(CX), $0; \
	JNE	answer

// REGISTERS loads the registers of the caller from its Frame, but R11, and AX from BX, and CX with the return
// address.
#define REGISTERS \
	MOVQ	BX, AX; \
	MOVQ	(FRAME+const_frameR15)(SP), R15; MOVQ (FRAME+const_frameR14)(SP), R14; \
	MOVQ	(FRAME+const_frameR13)(SP), R13; MOVQ (FRAME+const_frameR12)(SP), R12; \
	MOVQ	(FRAME+const_frameR10)(SP), R10; MOVQ (FRAME+const_frameR9)(SP), R9; \
	MOVQ	(FRAME+const_frameR8)(SP), R8; MOVQ (FRAME+const_frameDI)(SP), DI; \
	MOVQ	(FRAME+const_frameSI)(SP), SI; MOVQ (FRAME+const_frameError)(SP), BP; \
	MOVQ	(FRAME+const_frameDX)(SP), DX; MOVQ (FRAME+const_frameBX)(SP), BX; \
	MOVQ	(FRAME+const_frameIP)(SP), CX; \
	MOVQ	(FRAME+const_frameSP)(SP), SP

// syscallEntry is where SYSCALL goes (MSR IA32_LSTAR).
//
// In:    interrupts off; RCX the caller's RIP, R11 its RFLAGS; the caller's
//        stack, FS, and in ring 3 its GS. The sign of RCX tells ring 0 from ring 3.
// Out:   through the fast exits below, or leave.
// Calls: the handler of the call, handler(c, task, frame), which returns the CPU and a result; answerFn(c, frame, result),
//        which returns how to leave.
TEXT ·syscallEntry(SB), NOSPLIT|NOFRAME|TOPFRAME, $0
	TESTQ	CX, CX
	JMI	ring0
	SWAPGS
	LFENCE                        // no load by GS before the branch above is decided
	MOVQ	SP, const_offScratch(GS)
	MOVQ	const_offStackTop(GS), SP
	PUSHQ	$const_userSS
	PUSHQ	const_offScratch(GS)
	MOVQ	R11, (const_frameFlags-const_frameSP)(SP)
	SAVE
	KEEP
	FIND(otherUser)
callUser:
	RDFSBASEQ AX                  // ring 3 may have changed it
	MOVQ	AX, const_offUserFS(GS)
	ANSWER

	// Fast exit to ring 3.
leaveUser:
	MOVQ	const_offUserFS(GS), AX
	WRFSBASEQ AX
	KEPT
	MOVQ	(FRAME+const_frameFlags)(SP), R11
	TESTL	·special(SB), R11
	JNE	specialExit
registers:
	REGISTERS
	SWAPGS
	BYTE	$0x48; SYSRET         // with REX.W: to 64-bit mode

specialExit:
	TESTL	$const_flagsByIRET, R11
	JNE	byIRET                // SYSRET would trap before the next instruction, not after
	VERW	·dataSelector(SB)     // special also holds if buffers are to be cleared, and no flag needs IRET
	JMP	registers

byIRET:
	MOVQ	(FRAME+const_frameIP)(SP), CX
	MOVQ	CX, (FRAME+const_frameCX)(SP)
	MOVQ	R11, (FRAME+const_frameR11)(SP)
	MOVQ	(FRAME+const_frameError)(SP), CX
	MOVQ	CX, (FRAME+const_frameBP)(SP)
	MOVQ	BX, (FRAME+const_frameAX)(SP)
	ADDQ	$FRAME, SP
	JMP	·leaveUser(SB)

otherUser:
	MOVQ	·otherCallFn(SB), DX
	JMP	callUser

answer:
	TESTQ	AX, AX                // 0 from otherCall, which has answered the call: CX says how to leave
	JEQ	answered
	MOVQ	BX, CX
	LEAQ	FRAME(SP), BX
	MOVQ	·answerFn(SB), DX
	CALL	(DX)
	MOVQ	AX, CX
answered:
	TESTQ	CX, CX                // LeaveFast is 0
	JNE	slow
	MOVQ	(FRAME+const_frameAX)(SP), BX
	CMPW	(FRAME+const_frameCS)(SP), $const_kernelCS
	JNE	leaveUser

	// Fast exit to ring 0: vector registers are dead at a call of Go code, x87 and
	// MXCSR were not touched.
leaveHosted:
	MOVQ	const_offUserFS(GS), AX
	WRFSBASEQ AX
	REGISTERS
	STI                           // takes effect after the JMP: no interrupt comes
	JMP	CX                    // between with this stack pointer half restored

slow:
	MOVQ	CX, AX
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
	MOVQ	$const_flagsOn, (const_frameFlags-const_frameSP)(SP)
	SAVE
	FIND(otherHosted)
callHosted:
	ANSWER
	JMP	leaveHosted

otherHosted:                         // the private calls are for ring 0 alone
	SUBL	$const_firstPrivate, AX
	CMPL	AX, ·privateLimit(SB)
	JCC	unknownHosted
	ANDL	$(const_privateSlots-1), AX
	LEAQ	·privateTable(SB), DX
	MOVQ	(DX)(AX*8), DX
	JMP	callHosted

unknownHosted:
	MOVQ	·otherCallFn(SB), DX
	JMP	callHosted

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

// otherCall stands in the table for calls that have no handler of their own there, and for all calls while they are recorded. It
// is called as a handler, and says in another way how the call ends: AX is 0, BX -NoMemory, and CX how to leave.
//
// Calls: syscallFn(c, frame), which returns how to leave.
TEXT ·otherCall(SB), NOSPLIT|NOFRAME, $0
	PUSHQ	BP
	MOVQ	SP, BP
	SUBQ	$const_spill, SP
	MOVQ	CX, BX
	MOVQ	·syscallFn(SB), DX
	CALL	(DX)
	MOVQ	AX, CX
	XORL	AX, AX
	MOVQ	$-const_NoMemory, BX
	MOVQ	BP, SP
	POPQ	BP
	RET

DATA ·syscallPC+0(SB)/8, $·syscallEntry(SB)
GLOBL ·syscallPC(SB), RODATA|NOPTR, $8
DATA ·otherCode+0(SB)/8, $·otherCall(SB)
GLOBL ·otherCode(SB), RODATA|NOPTR, $8
DATA ·otherCallFn+0(SB)/8, $·otherCode(SB)
GLOBL ·otherCallFn(SB), RODATA|NOPTR, $8
