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
	CALL	·control(SB)
	LEAQ	·cpu0(SB), DX
	MOVQ	DX, const_offSelf(DX)
	WRGSBASEQ DX
	LEAQ	·bootG(SB), R14
	MOVQ	R14, const_tlsInG(R14)
	LEAQ	const_fsInG(R14), DX
	WRFSBASEQ DX
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

// control sets CR0, CR4 and XCR0 as compiled code and the entry stubs need them,
// before the first of either runs. Clobbers AX, CX, DX, R8, R9.
TEXT ·control(SB), NOSPLIT|NOFRAME, $0
	MOVQ	CR0, AX
	ANDQ	$const_cr0Clear, AX
	ORQ	$const_cr0Set, AX
	MOVQ	AX, CR0
	MOVQ	CR4, AX
	ORQ	$const_cr4Set, AX
	MOVQ	AX, CR4
	MOVQ	BX, R8                // CPUID clobbers it
	MOVL	$13, AX
	XORL	CX, CX
	CPUID                         // AX: components that XCR0 may enable
	MOVQ	R8, BX
	ANDL	$const_xcr0Wanted, AX
	XORL	DX, DX
	XORL	CX, CX
	XSETBV
	RET

// apEntry is the first code in the upper half of every other CPU; the trampoline
// jumps here. There is no stack: the CPU finds its block by its APIC id.
//
// In: DI the address of its slot: APIC id, stage.
// Calls: apFn(c) on the CPU's idle stack; it does not return.
TEXT ·apEntry(SB), NOSPLIT|NOFRAME|TOPFRAME, $0
	MOVL	$const_stageHighHalf, 4(DI)
	RDTSC
	SHLQ	$32, DX
	ORQ	DX, AX
	MOVQ	AX, R15               // when: the block is not known yet
	CMPL	·stopAt(SB), $const_stageHighHalf
	JEQ	stranger
	MOVL	0(DI), R9             // APIC id
	MOVQ	·apTable(SB), R10     // [apCount]*percpu.CPU
	MOVL	·apCount(SB), CX
next:
	SUBL	$1, CX
	JMI	stranger
	MOVQ	(R10)(CX*8), R12
	CMPL	R9, const_offAPICID(R12)
	JNE	next
	MOVQ	R15, (const_offStageAt+8*const_stageHighHalf)(R12)
	RDTSC
	SHLQ	$32, DX
	ORQ	DX, AX
	MOVQ	AX, (const_offStageAt+8*const_stageFoundBlock)(R12)
	MOVL	$const_stageFoundBlock, 4(DI)
	MOVL	$const_stageFoundBlock, const_offStage(R12)
	CMPL	·stopAt(SB), $const_stageFoundBlock
	JEQ	stranger
	MOVQ	const_offStackTop(R12), SP
	MOVQ	·kernelCR3(SB), AX
	MOVQ	AX, CR3
	CALL	·control(SB)
	RDTSC
	SHLQ	$32, DX
	ORQ	DX, AX
	MOVQ	AX, (const_offStageAt+8*const_stageControl)(R12)
	MOVL	$const_stageControl, const_offStage(R12)
	CMPL	·stopAt(SB), $const_stageControl
	JEQ	stranger
	WRGSBASEQ R12
	MOVQ	const_offKernelFS(R12), DX
	WRFSBASEQ DX
	MOVQ	const_offKernelG(R12), R14
	XORPS	X15, X15
	SUBQ	$64, SP
	MOVQ	R12, AX
	MOVQ	·apFn(SB), DX
	MOVQ	(DX), CX
	CALL	CX
	INT	$3
stranger: // nobody has a block for this CPU, or it is to fail
	CLI
	HLT
	JMP	stranger

// onStack goes on at fn(c), a func value, on another stack. It does not return.
TEXT ·onStack(SB), NOSPLIT|NOFRAME, $0-40
	MOVQ	c+0(FP), AX
	MOVQ	fn+8(FP), DX
	MOVQ	top+16(FP), BX
	MOVQ	fs+24(FP), CX
	MOVQ	fakeg+32(FP), R14
	WRFSBASEQ CX
	XORPS	X15, X15
	MOVQ	BX, SP
	SUBQ	$64, SP
	MOVQ	(DX), DX
	MOVQ	(DX), CX
	CALL	CX
	INT	$3

DATA ·apEntryPC+0(SB)/8, $·apEntry(SB)
GLOBL ·apEntryPC(SB), RODATA|NOPTR, $8
DATA ·runtimePC+0(SB)/8, $_rt0_amd64_linux(SB)
GLOBL ·runtimePC(SB), RODATA|NOPTR, $8

TEXT ·systemCall(SB), NOSPLIT, $0-0
	MOVL	$39, AX
	SYSCALL
	RET

TEXT ·callData(SB), NOSPLIT, $8-0
	LEAQ	·victims(SB), AX
	CALL	AX
	RET

// The accesses that guards.go provokes faults with. Each is the first instruction of
// a symbol, or of a page, so the return address is on top of the stack when it faults,
// and probeReturn ends the call.
TEXT ·probeLoad(SB), NOSPLIT, $8-8
	MOVQ	addr+0(FP), AX
	CALL	·probeLoadAX(SB)
	RET
TEXT ·probeStore(SB), NOSPLIT, $8-8
	MOVQ	addr+0(FP), AX
	MOVQ	(AX), CX
	CALL	·probeStoreAX(SB)
	RET
TEXT ·probeCall(SB), NOSPLIT, $8-8
	MOVQ	addr+0(FP), AX
	CALL	AX
	RET
TEXT ·probeLoadAX(SB), NOSPLIT|NOFRAME, $0
	MOVQ	(AX), AX
	RET
TEXT ·probeStoreAX(SB), NOSPLIT|NOFRAME, $0
	MOVQ	CX, (AX)
	RET
TEXT ·probeReturn(SB), NOSPLIT|NOFRAME, $0
	RET

DATA ·probeReturnPC+0(SB)/8, $·probeReturn(SB)
GLOBL ·probeReturnPC(SB), RODATA|NOPTR, $8
