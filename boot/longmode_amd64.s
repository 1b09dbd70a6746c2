#include "go_asm.h"
#include "textflag.h"

// longMode takes a CPU from 32-bit protected mode to 64-bit mode (Intel SDM vol. 3A,
// "Initializing IA-32e Mode"): the boot CPU where the image lies, every AP
// in a copy on the page where it starts. NXE is on before a table with NX bits is
// used. The comment after "//|" is what a 32-bit CPU reads.
//
// In:    flat segments, interrupts off, BX the physical address of a Jump; the code
//        is mapped to itself by the Jump's tables.
// Out:   at the Jump's address; AX, CX and DX are lost.
TEXT ·longMode(SB), NOSPLIT|NOFRAME, $0
	MOVL	Jump_CR3(BX), AX              //| mov eax, dword ptr [ebx+0x8]
	MOVL	AX, CR3                       //| mov cr3, eax
	MOVL	CR4, AX                       //| mov eax, cr4
	ORL	$const_longCR4, AX            //| or eax, 0x620
	MOVL	AX, CR4                       //| mov cr4, eax
	MOVL	$const_efer, CX               //| mov ecx, 0xc0000080
	RDMSR                             //| rdmsr
	ORL	$const_longEFER, AX           //| or eax, 0x901
	WRMSR                             //| wrmsr
	MOVL	CR0, AX                       //| mov eax, cr0
	ANDL	$const_longCR0Keep, AX        //| and eax, 0x9ffffff3
	ORL	$const_longCR0Set, AX         //| or eax, 0x80010023
	MOVL	AX, CR0                       //| mov cr0, eax
	BYTE	$0xff; BYTE $0x6b; BYTE $Jump_Offset //| jmp far ptr [ebx]

TEXT ·LongMode(SB), NOSPLIT, $0-8
	LEAQ	·longMode(SB), AX
	MOVQ	AX, code+0(FP)
	RET
