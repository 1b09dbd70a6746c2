#include "go_asm.h"
#include "textflag.h"

// The code of func values, whose arguments are in registers: AX, BX, CX. An assembly function that is called by
// its name has them on the stack, and its wrapper loads g and X15 anew. Go's convention keeps R14, X15 and
// the stack pointer over a call, and nothing else but the frame pointer. Only AX is used with the instructions for
// the bases of FS and GS: see package oldcpu.

// exchange is called by the thread that stops and returns in the thread that
// goes on, with the block of the CPU, and the g of that thread.
//
// In:  AX where to save the stack pointer, BX the other thread's, CX its FS base.
// Out: AX the CPU's block.
TEXT ·exchange(SB), NOSPLIT|NOFRAME, $0-0
	PUSHQ	BP
	MOVQ	SP, (AX)
	MOVQ	CX, AX
	WRFSBASEQ AX
	MOVQ	-8(CX), R14
	MOVQ	BX, SP
	POPQ	BP
	MOVQ	0(GS), AX
	RET

// SELECTORS clears DS, ES, FS and GS if one is not 0, which is seldom, and returns.
#define SELECTORS \
	MOVW	DS, AX; \
	MOVW	ES, CX; \
	ORL	CX, AX; \
	MOVW	FS, CX; \
	ORL	CX, AX; \
	MOVW	GS, CX; \
	ORW	CX, AX; \
	JNE	clear; \
	RET; \
clear: \
	JMP	muster∕kernel∕cpu·ClearSelectors(SB)

// saveProgram is the code of saveState.
//
// In: AX the thread.
TEXT ·saveProgram(SB), NOSPLIT|NOFRAME, $0-0
	MOVQ	AX, BX
	MOVL	$-1, AX
	MOVL	$-1, DX
	XSAVE64	(BX)
	SWAPGS
	RDGSBASEQ AX
	SWAPGS
	MOVQ	AX, Thread_UserGS(BX)
	SELECTORS

// loadProgram is the code of loadState.
//
// In: AX the thread.
TEXT ·loadProgram(SB), NOSPLIT|NOFRAME, $0-0
	MOVQ	AX, BX
	CMPB	·x87Leak(SB), $0
	JEQ	load
	CALL	muster∕kernel∕cpu·ClearX87Pointers(SB)
load:
	MOVL	$-1, AX
	MOVL	$-1, DX
	XRSTOR64 (BX)
	XORPS	X15, X15
	MOVQ	Thread_UserGS(BX), AX
	SWAPGS
	WRGSBASEQ AX
	SWAPGS
	RET

// swapPrograms is the code of swapState: saveProgram and then loadProgram.
//
// In: AX the thread that stops, BX the other one.
TEXT ·swapPrograms(SB), NOSPLIT|NOFRAME, $0-0
	MOVQ	AX, CX
	MOVL	$-1, AX
	MOVL	$-1, DX
	XSAVE64	(CX)
	CMPB	·x87Leak(SB), $0
	JEQ	load
	CALL	muster∕kernel∕cpu·ClearX87Pointers(SB)
load:
	XRSTOR64 (BX)
	XORPS	X15, X15
	SWAPGS
	RDGSBASEQ AX
	MOVQ	AX, Thread_UserGS(CX)
	MOVQ	Thread_UserGS(BX), AX
	WRGSBASEQ AX
	SWAPGS
	SELECTORS

// A func value is the address of a word that holds the code's address.
DATA ·exchangeCode+0(SB)/8, $·exchange(SB)
GLOBL ·exchangeCode(SB), RODATA|NOPTR, $8
DATA ·switchStack+0(SB)/8, $·exchangeCode(SB)
GLOBL ·switchStack(SB), RODATA, $8
DATA ·saveCode+0(SB)/8, $·saveProgram(SB)
GLOBL ·saveCode(SB), RODATA|NOPTR, $8
DATA ·saveState+0(SB)/8, $·saveCode(SB)
GLOBL ·saveState(SB), RODATA, $8
DATA ·loadCode+0(SB)/8, $·loadProgram(SB)
GLOBL ·loadCode(SB), RODATA|NOPTR, $8
DATA ·loadState+0(SB)/8, $·loadCode(SB)
GLOBL ·loadState(SB), RODATA, $8
DATA ·swapCode+0(SB)/8, $·swapPrograms(SB)
GLOBL ·swapCode(SB), RODATA|NOPTR, $8
DATA ·swapState+0(SB)/8, $·swapCode(SB)
GLOBL ·swapState(SB), RODATA, $8
