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
	MOVQ	R12, AX
	CALL	muster∕kernel∕oldcpu·writeGS(SB)
	MOVQ	const_offKernelFS(R12), AX
	CALL	muster∕kernel∕oldcpu·writeFS(SB)
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
// before the first of either runs: to known values, whatever was in them. They enable
// what this CPU and the boot CPU have. Clobbers AX, CX, DX, R8, R9.
TEXT ·control(SB), NOSPLIT|NOFRAME, $0
	MOVL	$const_cr0Wanted, AX
	MOVQ	AX, CR0
	MOVQ	BX, R8                // CPUID clobbers it
	MOVL	·cr4Allowed(SB), R9
	MOVL	$1, AX
	CPUID
	TESTL	$const_cpuidXSave, CX
	JNE	haveXSave
	ANDL	$~const_cr4XSave, R9
haveXSave:
	XORL	AX, AX
	CPUID
	CMPL	AX, $7
	JCS	noFSGSBase
	MOVL	$7, AX
	XORL	CX, CX
	CPUID
	TESTL	$const_cpuidFSGSBase, BX
	JNE	haveFSGSBase
noFSGSBase:
	ANDL	$~const_cr4FSGSBase, R9
haveFSGSBase:
	MOVQ	R9, CR4
	TESTL	$const_cr4XSave, R9
	JEQ	done
	MOVL	$13, AX
	XORL	CX, CX
	CPUID                         // AX: components that XCR0 may enable
	ANDL	·xcr0Allowed(SB), AX
	XORL	DX, DX
	XORL	CX, CX
	XSETBV
done:
	MOVQ	R8, BX
	RET

DATA ·apEntryPC+0(SB)/8, $·apEntry(SB)
GLOBL ·apEntryPC(SB), RODATA|NOPTR, $8
