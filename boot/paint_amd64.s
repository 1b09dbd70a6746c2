#include "go_asm.h"
#include "textflag.h"
#include "addr32.h"

// paint shows a line of text in the upper left corner of the screen: in the framebuffer that
// the loader's information names, or in the text mode of a VGA if it names none. It is
// 32-bit code, see boot_amd64.s. A framebuffer that paint cannot draw to, with other pixels
// than of 24 or 32 bits or above 4 GiB, stays as it is.
//
// In:    SI the text, which a zero byte ends; BP the address of the loader's information, or 0.
// Out:   SI and BP are kept, the others are lost.
TEXT ·paint(SB), NOSPLIT|NOFRAME, $0
	PUSHQ	SI                            //| push esi
	CMPL	BP, $0                        //| cmp ebp, 0x0
	JEQ	vga                           //| jz
	CMPL	0(BP), $const_pvhMagic        //| cmp dword ptr [ebp], 0x336ec578
	JEQ	vga                           //| jz
	MOVL	0(BP), CX                     //| mov ecx, dword ptr [ebp]
	ADDL	BP, CX                        //| add ecx, ebp
	LEAL	8(BP), BX                     //| lea ebx, ptr [ebp+0x8]
tag: // BX is a tag, CX the end of all
	CMPL	BX, CX                        //| cmp ebx, ecx
	JCC	vga                           //| jnb
	MOVL	0(BX), AX                     //| mov eax, dword ptr [ebx]
	TESTL	AX, AX                        //| test eax, eax
	JEQ	vga                           //| jz
	CMPL	AX, $const_tagFramebuffer     //| cmp eax, 0x8
	JEQ	found                         //| jz
	MOVL	4(BX), AX                     //| mov eax, dword ptr [ebx+0x4]
	ADDL	$7, AX                        //| add eax, 0x7
	ANDL	$~7, AX                       //| and eax, 0xfffffff8
	JEQ	vga                           //| jz
	ADDL	AX, BX                        //| add ebx, eax
	JMP	tag                           //| jmp
found:
	XORL	AX, AX                        //| xor eax, eax
	MOVB	const_fbKind(BX), AX          //| mov al, byte ptr [ebx+0x1d]
	CMPL	AX, $const_framebufferText    //| cmp eax, 0x2
	JEQ	vga                           //| jz
	CMPL	AX, $const_framebufferRGB     //| cmp eax, 0x1
	JNE	done                          //| jnz
	CMPL	const_fbHigh(BX), $0          //| cmp dword ptr [ebx+0xc], 0x0
	JNE	done                          //| jnz
	CMPL	const_fbWidth(BX), $384       //| cmp dword ptr [ebx+0x14], 0x180
	JCS	done                          //| jb
	MOVB	const_fbBits(BX), AX          //| mov al, byte ptr [ebx+0x1c]
	SHRL	$3, AX                        //| shr eax, 0x3
	CMPL	AX, $3                        //| cmp eax, 0x3
	JCS	done                          //| jb
	PUSHQ	AX                            //| push eax
	ADDR32(muster∕kernel∕screen·Font, CX)
	PUSHQ	CX                            //| push ecx
	MOVL	const_fbAddress(BX), DI       //| mov edi, dword ptr [ebx+0x8]
letter: // 0(SP) the font, 4(SP) bytes of a pixel
	XORL	AX, AX                        //| xor eax, eax
	MOVB	0(SI), AX                     //| mov al, byte ptr [esi]
	ADDL	$1, SI                        //| add esi, 0x1
	SUBL	$0x20, AX                     //| sub eax, 0x20
	JCS	painted                       //| jb
	IMUL3L	$const_glyphBytes, AX, DX     //| imul edx, eax, 0x18
	ADDL	0(SP), DX                     //| add edx, dword ptr [esp]
	ADDL	$const_glyphRows, DX          //| add edx, 0x5
	PUSHQ	SI                            //| push esi
	MOVL	$16, CX                       //| mov ecx, 0x10
row:
	PUSHQ	CX                            //| push ecx
	PUSHQ	DI                            //| push edi
	MOVB	0(DX), AX                     //| mov al, byte ptr [edx]
	SHLL	$24, AX                       //| shl eax, 0x18
	MOVL	$8, CX                        //| mov ecx, 0x8
pixel: // white is the same in every order of colours
	SHLL	$1, AX                        //| shl eax, 0x1
	SBBL	SI, SI                        //| sbb esi, esi
	MOVL	SI, 0(DI)                     //| mov dword ptr [edi], esi
	ADDL	16(SP), DI                    //| add edi, dword ptr [esp+0x10]
	SUBL	$1, CX                        //| sub ecx, 0x1
	JNE	pixel                         //| jnz
	POPQ	DI                            //| pop edi
	POPQ	CX                            //| pop ecx
	ADDL	const_fbPitch(BX), DI         //| add edi, dword ptr [ebx+0x10]
	ADDL	$1, DX                        //| add edx, 0x1
	SUBL	$1, CX                        //| sub ecx, 0x1
	JNE	row                           //| jnz
	POPQ	SI                            //| pop esi
	MOVL	const_fbPitch(BX), AX         //| mov eax, dword ptr [ebx+0x10]
	SHLL	$4, AX                        //| shl eax, 0x4
	SUBL	AX, DI                        //| sub edi, eax
	MOVL	4(SP), AX                     //| mov eax, dword ptr [esp+0x4]
	LEAL	0(DI)(AX*8), DI               //| lea edi, ptr [edi+8*eax]
	JMP	letter                        //| jmp
painted:
	POPQ	AX                            //| pop eax
	POPQ	AX                            //| pop eax
done:
	POPQ	SI                            //| pop esi
	RET                               //| ret

vga:
	MOVL	$0xb8000, DI                  //| mov edi, 0xb8000
code:
	XORL	AX, AX                        //| xor eax, eax
	MOVB	0(SI), AX                     //| mov al, byte ptr [esi]
	CMPL	AX, $0x20                     //| cmp eax, 0x20
	JCS	done                          //| jb
	ORL	$0x4f00, AX                   //| or eax, 0x4f00
	MOVW	AX, 0(DI)                     //| mov word ptr [edi], ax
	ADDL	$1, SI                        //| add esi, 0x1
	ADDL	$2, DI                        //| add edi, 0x2
	JMP	code                          //| jmp
