#include "go_asm.h"
#include "textflag.h"

// What the FSGSBASE instructions do, by MSR: CPUs without FSGSBASE call these in their
// place, and code that runs once calls them on every CPU. AX is the value. They change no
// other register, but the flags.

#define READ(msr) \
	PUSHQ	CX; PUSHQ DX; \
	MOVL	$msr, CX; \
	RDMSR; \
	SHLQ	$32, DX; \
	ORQ	DX, AX; \
	POPQ	DX; POPQ CX; \
	RET
#define WRITE(msr) \
	PUSHQ	CX; PUSHQ DX; \
	MOVL	$msr, CX; \
	MOVQ	AX, DX; \
	SHRQ	$32, DX; \
	WRMSR; \
	POPQ	DX; POPQ CX; \
	RET

TEXT ·readFS(SB), NOSPLIT|NOFRAME, $0
	READ(const_msrFSBase)

TEXT ·readGS(SB), NOSPLIT|NOFRAME, $0
	READ(const_msrGSBase)

TEXT ·writeFS(SB), NOSPLIT|NOFRAME, $0
	WRITE(const_msrFSBase)

TEXT ·writeGS(SB), NOSPLIT|NOFRAME, $0
	WRITE(const_msrGSBase)

DATA ·readFSPC+0(SB)/8, $·readFS(SB)
GLOBL ·readFSPC(SB), RODATA|NOPTR, $8
DATA ·readGSPC+0(SB)/8, $·readGS(SB)
GLOBL ·readGSPC(SB), RODATA|NOPTR, $8
DATA ·writeFSPC+0(SB)/8, $·writeFS(SB)
GLOBL ·writeFSPC(SB), RODATA|NOPTR, $8
DATA ·writeGSPC+0(SB)/8, $·writeGS(SB)
GLOBL ·writeGSPC(SB), RODATA|NOPTR, $8
