#include "go_asm.h"
#include "textflag.h"
#include "addr32.h"

// The way from the loader's jump to the first instruction in the upper half.
//
// Up to entry64 this is 32-bit code. Go's assembler has no 32-bit mode on amd64,
// but instructions without a REX prefix encode the same in both: the comment
// after "//|" gives what a 32-bit CPU reads, and test/decode_test.go compares
// each with a disassembly of the linked image. One form differs in meaning: LEAL
// sym(SB) has a RIP-relative encoding that 32-bit mode takes as an absolute
// displacement, so ADDR32 (addr32.h) adds the address of the next instruction itself.

// entry32 is the entry of the ELF file, of multiboot2 and of PVH.
//
// In: protected mode, paging off, flat segments; AX the multiboot2 magic number
// or anything, BX the physical address of the loader's information (Multiboot2
// Specification 2.0, "Machine state"; Xen, docs/misc/pvh.pandoc).
TEXT ·entry32(SB), NOSPLIT|NOFRAME, $0
	CLI                               //| cli
	CLD                               //| cld
	BYTE	$0x31; BYTE $0xed             //| xor ebp, ebp
	MOVL	AX, SI                        //| mov esi, eax
	CMPL	SI, $const_multibootMagic     //| cmp esi, 0x36d76289
	JEQ	known                         //| jz
	CMPL	0(BX), $const_pvhMagic        //| cmp dword ptr [ebx], 0x336ec578
	JEQ	known                         //| jz
	// QEMU's loader copies a command line of any length to 4,096 bytes of its own,
	// and the information comes after them. Text right before it says that the line
	// has run over both.
	MOVL	$0x7c00, SP                   //| mov esp, 0x7c00
	MOVL	-4(BX), CX                    //| mov ecx, dword ptr [ebx-0x4]
	MOVL	$4, DX                        //| mov edx, 0x4
printable:
	MOVL	CX, AX                        //| mov eax, ecx
	ANDL	$0xff, AX                     //| and eax, 0xff
	SUBL	$0x20, AX                     //| sub eax, 0x20
	CMPL	AX, $0x5f                     //| cmp eax, 0x5f
	JCC	unknown                       //| jnb
	SHRL	$8, CX                        //| shr ecx, 0x8
	SUBL	$1, DX                        //| sub edx, 0x1
	JNE	printable                     //| jnz
	ADDR32(·longLine, DX)
	JMP	·refuse(SB)                   //| jmp
unknown:
	ADDR32(·noLoader, DX)
	JMP	·refuse(SB)                   //| jmp

known:
	// There is no stack yet. The second word of the information serves for one
	// return address, and is put back.
	MOVL	4(BX), DX                     //| mov edx, dword ptr [ebx+0x4]
	LEAL	8(BX), SP                     //| lea esp, ptr [ebx+0x8]
	ADDR32(·stack, CX)
	MOVL	DX, 4(BX)                     //| mov dword ptr [ebx+0x4], edx
	LEAL	const_stackBytes(CX), SP      //| lea esp, ptr [ecx+0x4000]
	MOVL	BX, BP                        //| mov ebp, ebx

	// CPUID says whether the CPU has what the kernel requires. BP keeps the
	// information's address.
	PUSHFQ                            //| pushfd
	POPQ	AX                            //| pop eax
	MOVL	AX, CX                        //| mov ecx, eax
	XORL	$0x200000, AX                 //| xor eax, 0x200000
	PUSHQ	AX                            //| push eax
	POPFQ                             //| popfd
	PUSHFQ                            //| pushfd
	POPQ	AX                            //| pop eax
	XORL	CX, AX                        //| xor eax, ecx
	TESTL	$0x200000, AX                 //| test eax, 0x200000
	JNE	haveCPUID                     //| jnz
	ADDR32(·noCPUID, DX)
	JMP	·refuse(SB)                   //| jmp
haveCPUID:
	MOVL	$0x80000000, AX               //| mov eax, 0x80000000
	CPUID                             //| cpuid
	CMPL	AX, $0x80000001               //| cmp eax, 0x80000001
	JCS	lackLong                      //| jb
	MOVL	$0x80000001, AX               //| mov eax, 0x80000001
	CPUID                             //| cpuid
	TESTL	$(1<<29), DX                  //| test edx, 0x20000000
	JNE	haveLong                      //| jnz
lackLong:
	ADDR32(·noLong, DX)
	JMP	·refuse(SB)                   //| jmp
haveLong:
	// Firmware of Intel CPUs can hide NX, and the CPUID leaves above 2: see longMode.
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
	MOVL	$0x80000001, AX               //| mov eax, 0x80000001
	CPUID                             //| cpuid
	TESTL	$(1<<20), DX                  //| test edx, 0x100000
	JNE	haveNX                        //| jnz
	ADDR32(·noNX, DX)
	JMP	·refuse(SB)                   //| jmp
haveNX:
	MOVL	$1, AX                        //| mov eax, 0x1
	CPUID                             //| cpuid
	TESTL	$(1<<26), DX                  //| test edx, 0x4000000
	JNE	haveAll                       //| jnz
	ADDR32(·noSSE2, DX)
	JMP	·refuse(SB)                   //| jmp
haveAll:
	PUSHQ	SI                            //| push esi
	ADDR32(·starting, SI)
	CALL	·paint(SB)                    //| call
	POPQ	SI                            //| pop esi
	MOVL	BP, BX                        //| mov ebx, ebp

	// Page tables: 7 pages in tables, from the first page boundary.
	ADDR32(·tables, DI)
	ADDL	$4095, DI                     //| add edi, 0xfff
	ANDL	$0xfffff000, DI               //| and edi, 0xfffff000
	MOVL	DI, BP                        //| mov ebp, edi
	XORL	AX, AX                        //| xor eax, eax
	MOVL	$(7*1024), CX                 //| mov ecx, 0x1c00
	REP;	STOSL                         //| rep stosd dword ptr [edi]
	LEAL	0x1003(BP), AX                //| lea eax, ptr [ebp+0x1003]
	MOVL	AX, 0(BP)                     //| mov dword ptr [ebp], eax
	MOVL	AX, const_directSlot(BP)      //| mov dword ptr [ebp+0x800], eax
	MOVL	AX, const_imageSlot(BP)       //| mov dword ptr [ebp+0xff8], eax
	LEAL	0x2003(BP), AX                //| lea eax, ptr [ebp+0x2003]
	MOVL	AX, 0x1000(BP)                //| mov dword ptr [ebp+0x1000], eax
	ADDL	$0x1000, AX                   //| add eax, 0x1000
	MOVL	AX, 0x1008(BP)                //| mov dword ptr [ebp+0x1008], eax
	ADDL	$0x1000, AX                   //| add eax, 0x1000
	MOVL	AX, 0x1010(BP)                //| mov dword ptr [ebp+0x1010], eax
	ADDL	$0x1000, AX                   //| add eax, 0x1000
	MOVL	AX, 0x1018(BP)                //| mov dword ptr [ebp+0x1018], eax
	LEAL	0x2000(BP), DI                //| lea edi, ptr [ebp+0x2000]
	MOVL	$0x83, AX                     //| mov eax, 0x83
	MOVL	$2048, CX                     //| mov ecx, 0x800
direct: // 4 GiB in 2 MiB pages, physical 0 up
	MOVL	AX, 0(DI)                     //| mov dword ptr [edi], eax
	ADDL	$8, DI                        //| add edi, 0x8
	ADDL	$0x200000, AX                 //| add eax, 0x200000
	SUBL	$1, CX                        //| sub ecx, 0x1
	JNE	direct                        //| jnz

	// The image window: entry 510 of the same second-level table points to a table
	// of its own, which begins at the address the image was loaded to.
	LEAL	0x6003(BP), AX                //| lea eax, ptr [ebp+0x6003]
	MOVL	AX, 0x1ff0(BP)                //| mov dword ptr [ebp+0x1ff0], eax
	ADDR32(·high, CX)
	ADDR32(·highLink, DX)
	SUBL	0(DX), CX                     //| sub ecx, dword ptr [edx]
	ADDL	$0x80000083, CX               //| add ecx, 0x80000083
	LEAL	0x6000(BP), DI                //| lea edi, ptr [ebp+0x6000]
	MOVL	$64, DX                       //| mov edx, 0x40
window:
	MOVL	CX, 0(DI)                     //| mov dword ptr [edi], ecx
	ADDL	$8, DI                        //| add edi, 0x8
	ADDL	$0x200000, CX                 //| add ecx, 0x200000
	SUBL	$1, DX                        //| sub edx, 0x1
	JNE	window                        //| jnz

	// Enter long mode, on a descriptor table with a 64-bit segment.
	ADDR32(·gdt, CX)
	PUSHQ	CX                            //| push ecx
	MOVL	$(23<<16), AX                 //| mov eax, 0x170000
	PUSHQ	AX                            //| push eax
	LGDT	2(SP)                         //| lgdt ptr [esp+0x2]
	ADDR32(·jump, DX)
	ADDR32(·entry64, CX)
	MOVL	CX, Jump_Offset(DX)           //| mov dword ptr [edx], ecx
	MOVL	BP, Jump_CR3(DX)              //| mov dword ptr [edx+0x8], ebp
	MOVL	BX, DI                        //| mov edi, ebx
	MOVL	DX, BX                        //| mov ebx, edx
	JMP	·longMode(SB)                 //| jmp

// here returns its return address.
TEXT ·here(SB), NOSPLIT|NOFRAME, $0
	MOVL	0(SP), AX                     //| mov eax, dword ptr [esp]
	RET                               //| ret

// refuse prints the text at DX on COM1 and on the screen, and stops. BP has the address of the
// loader's information, or 0. Under an emulator it
// ends the emulator with the status of a kernel that did not boot.
TEXT ·refuse(SB), NOSPLIT|NOFRAME, $0
	MOVL	DX, SI                        //| mov esi, edx
	CALL	·paint(SB)                    //| call
	// 115200 baud, 8N1.
	MOVL	$0x3fb, DX                    //| mov edx, 0x3fb
	MOVL	$0x80, AX                     //| mov eax, 0x80
	OUTB                              //| out dx, al
	MOVL	$0x3f8, DX                    //| mov edx, 0x3f8
	MOVL	$1, AX                        //| mov eax, 0x1
	OUTB                              //| out dx, al
	MOVL	$0x3f9, DX                    //| mov edx, 0x3f9
	XORL	AX, AX                        //| xor eax, eax
	OUTB                              //| out dx, al
	MOVL	$0x3fb, DX                    //| mov edx, 0x3fb
	MOVL	$3, AX                        //| mov eax, 0x3
	OUTB                              //| out dx, al
char:
	XORL	AX, AX                        //| xor eax, eax
	MOVB	0(SI), AX                     //| mov al, byte ptr [esi]
	TESTL	AX, AX                        //| test eax, eax
	JEQ	printed                       //| jz
	ADDL	$1, SI                        //| add esi, 0x1
	MOVL	AX, BX                        //| mov ebx, eax
	MOVL	$100000, CX                   //| mov ecx, 0x186a0
ready: // reads the line status at most 100,000 times
	MOVL	$0x3fd, DX                    //| mov edx, 0x3fd
	INB                               //| in al, dx
	TESTL	$0x20, AX                     //| test eax, 0x20
	JNE	send                          //| jnz
	SUBL	$1, CX                        //| sub ecx, 0x1
	JNE	ready                         //| jnz
send:
	MOVL	BX, AX                        //| mov eax, ebx
	MOVL	$0x3f8, DX                    //| mov edx, 0x3f8
	OUTB                              //| out dx, al
	JMP	char                          //| jmp
printed:
	PUSHFQ                            //| pushfd
	POPQ	AX                            //| pop eax
	MOVL	AX, CX                        //| mov ecx, eax
	XORL	$0x200000, AX                 //| xor eax, 0x200000
	PUSHQ	AX                            //| push eax
	POPFQ                             //| popfd
	PUSHFQ                            //| pushfd
	POPQ	AX                            //| pop eax
	XORL	CX, AX                        //| xor eax, ecx
	TESTL	$0x200000, AX                 //| test eax, 0x200000
	JEQ	halt                          //| jz
	MOVL	$1, AX                        //| mov eax, 0x1
	CPUID                             //| cpuid
	TESTL	CX, CX                        //| test ecx, ecx
	JPL	halt                          //| jns
	MOVL	$0xf4, DX                     //| mov edx, 0xf4
	MOVL	$const_exitPanic, AX          //| mov eax, 0x3e
	OUTB                              //| out dx, al
halt:
	CLI                               //| cli
	HLT                               //| hlt
	JMP	halt                          //| jmp

// entry64 is the first 64-bit code, still at its physical address: the loader's
// magic in SI, its information in DI.
TEXT ·entry64(SB), NOSPLIT|NOFRAME, $0
	MOVL	$const_kernelSS, AX
	MOVW	AX, DS
	MOVW	AX, ES
	MOVW	AX, SS
	XORL	AX, AX
	MOVW	AX, FS
	MOVW	AX, GS
	MOVL	SI, SI                        // clears the upper halves
	MOVL	DI, BX
	LEAQ	·high(SB), R13
	MOVQ	·highLink(SB), AX             // where the linker put it
	SUBQ	AX, R13                       // physical minus virtual
	JMP	AX

// high runs in the upper half. SI has the loader's magic, BX its information, and
// R13 physical minus virtual; all three go to package start.
TEXT ·high(SB), NOSPLIT|NOFRAME|TOPFRAME, $0
	LEAQ	·stack+const_stackBytes(SB), SP
	RDTSC
	SHLQ	$32, DX
	ORQ	DX, AX                        // the zero point of the clock
	JMP	muster∕kernel∕start·bootCPU(SB)

// Keep makes entry32 reachable: the linker drops what no Go code refers to.
TEXT ·Keep(SB), NOSPLIT|NOFRAME, $0
	RET
	JMP	·entry32(SB)

TEXT ·Stack(SB), NOSPLIT, $0-16
	LEAQ	·stack(SB), AX
	MOVQ	AX, low+0(FP)
	ADDQ	$const_stackBytes, AX
	MOVQ	AX, top+8(FP)
	RET

DATA ·highLink+0(SB)/8, $·high(SB)
GLOBL ·highLink(SB), NOPTR, $8

// Flat 64-bit code and data; the same selectors as the kernel's own table.
DATA ·gdt+0(SB)/8, $0
DATA ·gdt+const_kernelCS(SB)/8, $const_descKernelCode
DATA ·gdt+const_kernelSS(SB)/8, $const_descKernelData
GLOBL ·gdt(SB), NOPTR, $24

// The boot CPU's way to entry64; the stub fills in the addresses.
DATA ·jump+Jump_Selector(SB)/4, $const_kernelCS
GLOBL ·jump(SB), NOPTR, $Jump__size

GLOBL ·stack(SB), NOPTR, $const_stackBytes
GLOBL ·tables(SB), NOPTR, $(8*4096)

// Texts of refuse. DATA leaves the rest of a text zero, and a zero byte ends the
// text.
#define TEXT48(name, a, b, c, d, e) \
	DATA	name+0(SB)/8, $"muster: "; \
	DATA	name+8(SB)/8, $a; \
	DATA	name+16(SB)/8, $b; \
	DATA	name+24(SB)/8, $c; \
	DATA	name+32(SB)/8, $d; \
	DATA	name+40(SB)/8, $e; \
	GLOBL	name(SB), RODATA|NOPTR, $48

TEXT48(·starting, "starting", "\x00", "\x00", "\x00", "\x00")
TEXT48(·noLoader, "not load", "ed by mu", "ltiboot2", " or PVH\r", "\n")
TEXT48(·longLine, "command ", "line ove", "r QEMU's", " 4,095 b", "ytes\r\n")
TEXT48(·noCPUID, "this CPU", " has no ", "CPUID\r\n", "\x00", "\x00")
TEXT48(·noLong, "this CPU", " has no ", "long mod", "e\r\n", "\x00")
TEXT48(·noNX, "this CPU", " has no ", "NX\r\n", "\x00", "\x00")
TEXT48(·noSSE2, "this CPU", " has no ", "SSE2\r\n", "\x00", "\x00")
