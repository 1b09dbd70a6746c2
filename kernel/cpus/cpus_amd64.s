#include "go_asm.h"
#include "textflag.h"

// apEntry is the first code of every AP in the upper half; the trampoline jumps
// here. There is no stack: the AP finds its block by its APIC id.
//
// In: DI the address of its slot: APIC id, stage.
// Calls: apFn(c) on the CPU's idle stack; it does not return.
TEXT ·apEntry(SB), NOSPLIT|NOFRAME|TOPFRAME, $0
	MOVL	$const_stageHighHalf, 4(DI)
	RDTSC
	SHLQ	$32, DX
	ORQ	DX, AX
	MOVQ	AX, R15               // the time: the block is not known yet
	CMPL	·stopAt(SB), $const_stageHighHalf
	JEQ	stranger
	// byAPICID of index.go, without a stack.
	MOVL	0(DI), R9             // APIC id
	MOVL	$const_hashFactor, AX
	IMULL	R9, AX
	MOVL	·indexShift(SB), CX
	SHRL	CX, AX
	MOVQ	·indexSlots(SB), R10
next:
	MOVQ	(R10)(AX*8), R12
	TESTQ	R12, R12
	JEQ	stranger
	CMPL	R9, const_offAPICID(R12)
	JEQ	found
	INCL	AX
	ANDL	·indexMask(SB), AX
	JMP	next
found:
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
stranger: // there is no block for this CPU, or an injected fault halts it
	CLI
	HLT
	JMP	stranger

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

DATA ·apEntryPC+0(SB)/8, $·apEntry(SB)
GLOBL ·apEntryPC(SB), RODATA|NOPTR, $8
