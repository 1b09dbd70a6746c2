#include "go_asm.h"
#include "textflag.h"

// bootCPU is the boot CPU's first code in the upper half; package boot jumps here.
//
// In: SI the loader's magic, BX the physical address of its information, R13
// physical minus virtual, AX the time-stamp counter; the boot stack.
// Calls: bootFn(magic, info, delta, tsc); it does not return.
TEXT ·bootCPU(SB), NOSPLIT|NOFRAME|TOPFRAME, $0
	MOVQ	SI, R12
	MOVQ	BX, R11
	MOVQ	AX, R10
	CALL	muster∕kernel∕cpus·control(SB)
	LEAQ	·cpu0(SB), AX
	MOVQ	AX, const_offSelf(AX)
	CALL	muster∕kernel∕oldcpu·writeGS(SB)
	LEAQ	·bootG(SB), R14
	MOVQ	R14, const_tlsInG(R14)
	LEAQ	const_fsInG(R14), AX
	CALL	muster∕kernel∕oldcpu·writeFS(SB)
	XORPS	X15, X15
	SUBQ	$64, SP
	MOVQ	R12, AX
	MOVQ	R11, BX
	MOVQ	R13, CX
	MOVQ	R10, DI
	MOVQ	·bootFn(SB), DX
	MOVQ	(DX), R8
	CALL	R8
	INT	$3

// onStack calls fn(c), a func value, on another stack. It does not return.
TEXT ·onStack(SB), NOSPLIT|NOFRAME, $0-40
	MOVQ	fs+24(FP), AX
	CALL	muster∕kernel∕oldcpu·writeFS(SB)
	MOVQ	c+0(FP), AX
	MOVQ	fn+8(FP), DX
	MOVQ	top+16(FP), BX
	MOVQ	base+32(FP), R14
	XORPS	X15, X15
	MOVQ	BX, SP
	SUBQ	$64, SP
	MOVQ	(DX), DX
	MOVQ	(DX), CX
	CALL	CX
	INT	$3

// Functions with instructions that old CPUs lack: see useOldCPU.
DATA ·rewritten+0(SB)/8, $muster∕kernel∕trap·common(SB)
DATA ·rewritten+8(SB)/8, $muster∕kernel∕trap·restoreState(SB)
DATA ·rewritten+16(SB)/8, $muster∕kernel∕trap·threadStart(SB)
DATA ·rewritten+24(SB)/8, $muster∕kernel∕trap·syscallEntry(SB)
DATA ·rewritten+32(SB)/8, $muster∕kernel∕trap·paranoid(SB)
DATA ·rewritten+40(SB)/8, $muster∕kernel∕sched·exchange(SB)
DATA ·rewritten+48(SB)/8, $muster∕kernel∕sched·saveProgram(SB)
DATA ·rewritten+56(SB)/8, $muster∕kernel∕sched·loadProgram(SB)
DATA ·rewritten+64(SB)/8, $muster∕kernel∕sched·swapPrograms(SB)
DATA ·rewritten+72(SB)/8, $muster∕kernel∕cpu·SetUserGSBase(SB)
DATA ·rewritten+80(SB)/8, $muster∕kernel∕cpu·UserGSBase(SB)
DATA ·rewritten+88(SB)/8, $muster∕kernel∕cpu·SaveState(SB)
DATA ·rewritten+96(SB)/8, $muster∕kernel∕cpu·RestoreState(SB)
DATA ·rewritten+104(SB)/8, $muster∕kernel∕cpu·ClearSelectors(SB)
GLOBL ·rewritten(SB), RODATA|NOPTR, $112

DATA ·runtimePC+0(SB)/8, $_rt0_amd64_linux(SB)
GLOBL ·runtimePC(SB), RODATA|NOPTR, $8
