#include "go_asm.h"
#include "textflag.h"

// Three pieces of code that package trampoline copies into one page below 1 MiB, at
// offsets 0, offCode32 and offCode64. Package boot's longMode lies between the last two,
// at offLong, and a parameter block follows. The comment after "//|" is what a CPU in
// that mode reads; test/decode_test.go compares it with a disassembly of the linked image.

// code16 is where a CPU begins after the SIPI: real mode, CS the page, IP 0 (Intel
// SDM vol. 3A, "Multiple-Processor (MP) Initialization"). Several CPUs run here at
// once, so there is no stack, and each takes a slot of its own for its report.
TEXT ·code16(SB), NOSPLIT|NOFRAME, $0
	BYTE	$0xfa                                                 //| cli
	BYTE	$0xfc                                                 //| cld
	BYTE	$0x8c; BYTE $0xc8                                     //| mov ax, cs
	BYTE	$0x8e; BYTE $0xd8                                     //| mov ds, ax
	BYTE	$0x66; BYTE $0x31; BYTE $0xf6                         //| xor esi, esi
	BYTE	$0x89; BYTE $0xc6                                     //| mov si, ax
	BYTE	$0x66; BYTE $0xc1; BYTE $0xe6; BYTE $0x04             //| shl esi, 0x4
	// Take a slot.
	BYTE	$0x66; BYTE $0xb8; LONG $1                            //| mov eax, 0x1
	BYTE	$0xf0; BYTE $0x66; BYTE $0x0f; BYTE $0xc1; BYTE $0x06; WORD $const_offCounter //| lock xadd dword ptr [0x430], eax
	BYTE	$0x66; BYTE $0x3d; LONG $const_slotCount              //| cmp eax, 0x96
	BYTE	$0x73; BYTE $0x56                                     //| jnb
	BYTE	$0x66; BYTE $0x6b; BYTE $0xf8; BYTE $const_slotSize   //| imul edi, eax, 0x14
	BYTE	$0x66; BYTE $0x81; BYTE $0xc7; LONG $const_offSlots   //| add edi, 0x440
	// The CPU's APIC id: leaf 0BH gives 32 bits, leaf 1 gives 8.
	BYTE	$0x66; BYTE $0x31; BYTE $0xc0                         //| xor eax, eax
	BYTE	$0x0f; BYTE $0xa2                                     //| cpuid
	BYTE	$0x66; BYTE $0x83; BYTE $0xf8; BYTE $0x0b             //| cmp eax, 0xb
	BYTE	$0x72; BYTE $0x10                                     //| jb
	BYTE	$0x66; BYTE $0xb8; LONG $0xb                          //| mov eax, 0xb
	BYTE	$0x66; BYTE $0x31; BYTE $0xc9                         //| xor ecx, ecx
	BYTE	$0x0f; BYTE $0xa2                                     //| cpuid
	BYTE	$0x66; BYTE $0x85; BYTE $0xdb                         //| test ebx, ebx
	BYTE	$0x75; BYTE $0x0f                                     //| jnz
	BYTE	$0x66; BYTE $0xb8; LONG $1                            //| mov eax, 0x1
	BYTE	$0x0f; BYTE $0xa2                                     //| cpuid
	BYTE	$0x66; BYTE $0xc1; BYTE $0xeb; BYTE $0x18             //| shr ebx, 0x18
	BYTE	$0x66; BYTE $0x89; BYTE $0xda                         //| mov edx, ebx
	BYTE	$0x66; BYTE $0x89; BYTE $0x15                         //| mov dword ptr [di], edx
	BYTE	$0xc7; BYTE $0x45; BYTE $0x04; WORD $const_StageRealMode16 //| mov word ptr [di+0x4], 0x1
	BYTE	$0x0f; BYTE $0x31                                     //| rdtsc
	BYTE	$0x66; BYTE $0x89; BYTE $0x45; BYTE $0x08             //| mov dword ptr [di+0x8], eax
	// Enter protected mode.
	BYTE	$0x66; BYTE $0x0f; BYTE $0x01; BYTE $0x16; WORD $const_offGDTR //| lgdt ptr [0x400]
	BYTE	$0x0f; BYTE $0x20; BYTE $0xc0                         //| mov eax, cr0
	BYTE	$0x0c; BYTE $0x01                                     //| or al, 0x1
	BYTE	$0x0f; BYTE $0x22; BYTE $0xc0                         //| mov cr0, eax
	BYTE	$0x66; BYTE $0xff; BYTE $0x2e; WORD $const_offFar32   //| jmp far ptr [0x408]
	// No slot is left: the boot CPU did not start this CPU.
	BYTE	$0xfa                                                 //| cli
	BYTE	$0xf4                                                 //| hlt
	BYTE	$0xeb; BYTE $0xfc                                     //| jmp
	BYTE	$0x90                                                 //| nop

// code32 enters long mode by the same code as the boot CPU.
//
// In: flat segments to load, SI the page's address, DI the slot's offset in it.
TEXT ·code32(SB), NOSPLIT|NOFRAME, $0
	MOVL	$const_selData, AX            //| mov eax, 0x10
	MOVW	AX, DS                        //| mov ds, ax
	MOVW	AX, ES                        //| mov es, ax
	MOVW	AX, SS                        //| mov ss, ax
	ADDL	SI, DI                        //| add edi, esi
	MOVL	$const_StageProtected32, 4(DI) //| mov dword ptr [edi+0x4], 0x2
	RDTSC                             //| rdtsc
	MOVL	AX, 12(DI)                    //| mov dword ptr [edi+0xc], eax
	LEAL	const_offJump(SI), BX         //| lea ebx, ptr [esi+0x410]
	LEAL	const_offLong(SI), AX         //| lea eax, ptr [esi+0x180]
	JMP	AX                            //| jmp eax

// code64 jumps to the upper half. The entry finds the slot's address in DI.
TEXT ·code64(SB), NOSPLIT|NOFRAME, $0
	MOVL	SI, SI                        //| mov esi, esi
	MOVL	DI, DI                        //| mov edi, edi
	MOVL	$const_StageLongMode64, 4(DI) //| mov dword ptr [rdi+0x4], 0x3
	RDTSC                             //| rdtsc
	MOVL	AX, 16(DI)                    //| mov dword ptr [rdi+0x10], eax
	MOVQ	const_offEntry(SI), AX        //| mov rax, qword ptr [rsi+0x428]
	JMP	AX                            //| jmp rax

TEXT ·pieces(SB), NOSPLIT, $0-24
	LEAQ	·code16(SB), AX
	MOVQ	AX, code16+0(FP)
	LEAQ	·code32(SB), AX
	MOVQ	AX, code32+8(FP)
	LEAQ	·code64(SB), AX
	MOVQ	AX, code64+16(FP)
	RET
