#include "textflag.h"

// One instruction for each function, arguments and results on the stack (ABI0). The
// compiler's wrapper around each reloads R14 from -8(FS) and clears X15.

TEXT ·In8(SB), NOSPLIT, $0-9
	MOVW	port+0(FP), DX
	XORL	AX, AX
	INB
	MOVB	AX, ret+8(FP)
	RET

TEXT ·In16(SB), NOSPLIT, $0-10
	MOVW	port+0(FP), DX
	XORL	AX, AX
	INW
	MOVW	AX, ret+8(FP)
	RET

TEXT ·In32(SB), NOSPLIT, $0-12
	MOVW	port+0(FP), DX
	INL
	MOVL	AX, ret+8(FP)
	RET

TEXT ·out8(SB), NOSPLIT, $0-3
	MOVW	port+0(FP), DX
	MOVB	v+2(FP), AX
	OUTB
	RET

TEXT ·out16(SB), NOSPLIT, $0-4
	MOVW	port+0(FP), DX
	MOVW	v+2(FP), AX
	OUTW
	RET

TEXT ·out32(SB), NOSPLIT, $0-8
	MOVW	port+0(FP), DX
	MOVL	v+4(FP), AX
	OUTL
	RET

TEXT ·ReadMSR(SB), NOSPLIT, $0-16
	MOVL	msr+0(FP), CX
	RDMSR
	SHLQ	$32, DX
	ORQ	DX, AX
	MOVQ	AX, ret+8(FP)
	RET

TEXT ·writeMSR(SB), NOSPLIT, $0-16
	MOVL	msr+0(FP), CX
	MOVQ	v+8(FP), AX
	MOVQ	AX, DX
	SHRQ	$32, DX
	WRMSR
	RET

TEXT ·CPUID(SB), NOSPLIT, $0-24
	MOVL	leaf+0(FP), AX
	MOVL	subleaf+4(FP), CX
	CPUID
	MOVL	AX, eax+8(FP)
	MOVL	BX, ebx+12(FP)
	MOVL	CX, ecx+16(FP)
	MOVL	DX, edx+20(FP)
	RET

TEXT ·TSC(SB), NOSPLIT, $0-8
	RDTSC
	SHLQ	$32, DX
	ORQ	DX, AX
	MOVQ	AX, ret+0(FP)
	RET

TEXT ·TSCOrdered(SB), NOSPLIT, $0-8
	LFENCE
	RDTSC
	SHLQ	$32, DX
	ORQ	DX, AX
	MOVQ	AX, ret+0(FP)
	RET

TEXT ·ReadCR0(SB), NOSPLIT, $0-8
	MOVQ	CR0, AX
	MOVQ	AX, ret+0(FP)
	RET

TEXT ·WriteCR0(SB), NOSPLIT, $0-8
	MOVQ	v+0(FP), AX
	MOVQ	AX, CR0
	RET

TEXT ·ReadCR2(SB), NOSPLIT, $0-8
	MOVQ	CR2, AX
	MOVQ	AX, ret+0(FP)
	RET

TEXT ·ReadCR3(SB), NOSPLIT, $0-8
	MOVQ	CR3, AX
	MOVQ	AX, ret+0(FP)
	RET

TEXT ·writeCR3(SB), NOSPLIT, $0-8
	MOVQ	v+0(FP), AX
	MOVQ	AX, CR3
	RET

TEXT ·InvalidatePage(SB), NOSPLIT, $0-8
	MOVQ	va+0(FP), AX
	INVLPG	(AX)
	RET

TEXT ·ReadCR4(SB), NOSPLIT, $0-8
	MOVQ	CR4, AX
	MOVQ	AX, ret+0(FP)
	RET

TEXT ·writeCR4(SB), NOSPLIT, $0-8
	MOVQ	v+0(FP), AX
	MOVQ	AX, CR4
	RET

TEXT ·ReadXCR0(SB), NOSPLIT, $0-8
	XORL	CX, CX
	XGETBV
	SHLQ	$32, DX
	ORQ	DX, AX
	MOVQ	AX, ret+0(FP)
	RET

TEXT ·loadGDT(SB), NOSPLIT, $16-12
	MOVQ	base+0(FP), AX
	MOVW	n+8(FP), CX
	MOVW	CX, 6(SP)
	MOVQ	AX, 8(SP)
	LGDT	6(SP)
	MOVW	data+10(FP), AX
	MOVW	AX, SS
	XORL	AX, AX                // 64-bit code does not use DS and ES; ring 3 must not see the kernel's
	MOVW	AX, DS
	MOVW	AX, ES
	RET

TEXT ·loadIDT(SB), NOSPLIT, $16-10
	MOVQ	base+0(FP), AX
	MOVW	n+8(FP), CX
	MOVW	CX, 6(SP)
	MOVQ	AX, 8(SP)
	LIDT	6(SP)
	RET

TEXT ·loadTR(SB), NOSPLIT, $0-2
	MOVW	selector+0(FP), AX
	LTR	AX
	RET

// An NMI between the two SWAPGS does no harm: its handler relies on no GS
// (docs/04-traps.md).
TEXT ·SetUserGSBase(SB), NOSPLIT, $0-8
	MOVQ	v+0(FP), AX
	SWAPGS
	WRGSBASEQ AX
	SWAPGS
	RET

TEXT ·UserGSBase(SB), NOSPLIT, $0-8
	SWAPGS
	RDGSBASEQ AX
	SWAPGS
	MOVQ	AX, ret+0(FP)
	RET

TEXT ·SaveFX(SB), NOSPLIT, $0-8
	MOVQ	p+0(FP), AX
	FXSAVE64 (AX)
	RET

TEXT ·SaveState(SB), NOSPLIT, $0-8
	MOVQ	p+0(FP), CX
	MOVL	$-1, AX
	MOVL	$-1, DX
	XSAVE64	(CX)
	RET

TEXT ·RestoreState(SB), NOSPLIT, $0-8
	MOVQ	p+0(FP), CX
	MOVL	$-1, AX
	MOVL	$-1, DX
	XRSTOR64 (CX)
	RET

TEXT ·ReadDR6(SB), NOSPLIT, $0-8
	MOVQ	DR6, AX
	MOVQ	AX, ret+0(FP)
	RET

TEXT ·ReadDR7(SB), NOSPLIT, $0-8
	MOVQ	DR7, AX
	MOVQ	AX, ret+0(FP)
	RET

TEXT ·writeDR7(SB), NOSPLIT, $0-8
	MOVQ	v+0(FP), AX
	MOVQ	AX, DR7
	RET

TEXT ·ReadLDT(SB), NOSPLIT, $0-2
	SLDTW	AX
	MOVW	AX, ret+0(FP)
	RET

TEXT ·loadLDT(SB), NOSPLIT, $0-2
	MOVW	selector+0(FP), AX
	LLDT	AX
	RET

TEXT ·writeBack(SB), NOSPLIT, $0-0
	WBINVD
	RET

TEXT ·WriteDR6(SB), NOSPLIT, $0-8
	MOVQ	v+0(FP), AX
	MOVQ	AX, DR6
	RET

TEXT ·ClearSelectors(SB), NOSPLIT, $0-0
	XORL	AX, AX
	XORL	CX, CX
	MOVW	DS, AX
	MOVW	ES, CX
	ORL	CX, AX
	MOVW	FS, CX
	ORL	CX, AX
	MOVW	GS, CX
	ORL	CX, AX
	JNE	clear
	RET
clear:
	RDFSBASEQ AX                  // a load of FS or GS changes the base
	MOVQ	AX, CX
	RDGSBASEQ AX
	MOVQ	AX, DX
	XORL	AX, AX
	MOVW	AX, DS
	MOVW	AX, ES
	MOVW	AX, FS
	MOVW	AX, GS
	MOVQ	CX, AX
	WRFSBASEQ AX
	MOVQ	DX, AX
	WRGSBASEQ AX
	RET

// The x87 pointers get defined values: those of this load. Both lie in the image, whose
// address is the same in each boot, so a program learns nothing from them.
TEXT ·ClearX87Pointers(SB), NOSPLIT|NOFRAME, $0
	FCLEX                         // or the load would raise what is pending
	EMMS                          // a free register for the load
	FMOVL	·x87Zero(SB), F0
	RET

DATA ·x87Zero+0(SB)/4, $0
GLOBL ·x87Zero(SB), RODATA|NOPTR, $4

TEXT ·LoadMXCSR(SB), NOSPLIT, $0-4
	LDMXCSR	v+0(FP)
	RET

TEXT ·Pause(SB), NOSPLIT, $0-0
	PAUSE
	RET

TEXT ·Wait(SB), NOSPLIT, $0-0
	STI
	HLT
	CLI
	RET

// STI holds interrupts off for one more instruction: PAUSE opens the window. (NOP
// cannot: the Go assembler emits no instruction for it.)
TEXT ·Window(SB), NOSPLIT, $0-0
	STI
	PAUSE
	CLI
	RET

TEXT ·Stop(SB), NOSPLIT, $0-0
stop:
	CLI
	HLT
	JMP	stop

TEXT ·DisableInterrupts(SB), NOSPLIT, $0-0
	CLI
	RET

TEXT ·Breakpoint(SB), NOSPLIT, $0-0
	INT	$3
	RET

TEXT ·RDRand(SB), NOSPLIT, $0-9
	RDRANDQ	AX
	MOVQ	AX, v+0(FP)
	SETCS	ok+8(FP)
	RET

TEXT ·RDSeed(SB), NOSPLIT, $0-9
	RDSEEDQ	AX
	MOVQ	AX, v+0(FP)
	SETCS	ok+8(FP)
	RET
