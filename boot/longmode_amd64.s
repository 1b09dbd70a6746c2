#include "go_asm.h"
#include "textflag.h"

// longMode takes a CPU from 32-bit protected mode to 64-bit mode (Intel SDM vol. 3A,
// "Initializing IA-32e Mode"): the boot CPU where the image lies, every AP
// in a copy on the page where it starts. NXE is on before a table with NX bits is
// used. On an Intel CPU the firmware may have set two bits of IA32_MISC_ENABLE, each CPU's
// own: one makes NXE a reserved bit, the other cuts CPUID off after leaf 2. Both are
// cleared first. Every Intel CPU with long mode has this MSR. The comment after "//|" is what a 32-bit CPU reads.
//
// In:    flat segments, interrupts off, BX the physical address of a Jump; the code
//        is mapped to itself by the Jump's tables.
// Out:   at the Jump's address; AX, BP, CX and DX are lost. BP is set by its bytes, because go vet takes every
//        write to it for the loss of a frame pointer.
TEXT ·longMode(SB), NOSPLIT|NOFRAME, $0
	BYTE	$0x89; BYTE $0xdd             //| mov ebp, ebx
	XORL	AX, AX                        //| xor eax, eax
	CPUID                             //| cpuid
	CMPL	BX, $const_vendorB            //| cmp ebx, 0x756e6547
	JNE	allowed                       //| jnz
	CMPL	DX, $const_vendorD            //| cmp edx, 0x49656e69
	JNE	allowed                       //| jnz
	MOVL	$const_miscEnable, CX         //| mov ecx, 0x1a0
	RDMSR                             //| rdmsr
	TESTL	$const_miscLimitCPUID, AX     //| test eax, 0x400000
	JNE	clear                         //| jnz
	TESTL	$const_miscNoXD, DX           //| test edx, 0x4
	JEQ	allowed                       //| jz
clear:
	ANDL	$~const_miscLimitCPUID, AX    //| and eax, 0xffbfffff
	ANDL	$~const_miscNoXD, DX          //| and edx, 0xfffffffb
	WRMSR                             //| wrmsr
allowed:
	MOVL	BP, BX                        //| mov ebx, ebp
	MOVL	Jump_CR3(BX), AX              //| mov eax, dword ptr [ebx+0x8]
	MOVL	AX, CR3                       //| mov cr3, eax
	MOVL	$const_longCR4, AX            //| mov eax, 0x620
	MOVL	AX, CR4                       //| mov cr4, eax
	MOVL	$const_efer, CX               //| mov ecx, 0xc0000080
	MOVL	$const_longEFER, AX           //| mov eax, 0x901
	XORL	DX, DX                        //| xor edx, edx
	WRMSR                             //| wrmsr
	MOVL	$const_longCR0, AX            //| mov eax, 0x80050033
	MOVL	AX, CR0                       //| mov cr0, eax
	BYTE	$0xff; BYTE $0x6b; BYTE $Jump_Offset //| jmp far ptr [ebx]

TEXT ·LongMode(SB), NOSPLIT, $0-8
	LEAQ	·longMode(SB), AX
	MOVQ	AX, code+0(FP)
	RET
