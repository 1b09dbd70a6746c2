#include "go_asm.h"
#include "textflag.h"

// TAKE takes a place, R9, stores the words there, and makes BX the head.
#define TAKE \
	MOVL	$const_slotBytes, R8; \
	XADDQ	R8, const_offTracePos(AX); /* pairs with the second look at it in Read */ \
	MOVL	R8, R9; \
	ANDL	$((const_Len-1)<<const_slotShift), R9; \
	ADDQ	const_offTrace(AX), R9; \
	MOVQ	CX, const_slotA(R9); \
	MOVQ	DI, const_slotB(R9); \
	MOVL	const_offThreadID(AX), R10; \
	ORQ	R10, BX; \
	SHLQ	$(const_headSeq-const_slotShift), R8; \
	ORQ	R8, BX

// record is the code of put.
//
// XADD without LOCK is enough: only this CPU stores to the position, and an NMI comes before or
// after an instruction. Other CPUs see stores in the order in which this one makes them.
//
// In:  AX the CPU's block, BX the kind from bit 32 on, CX and DI the two words.
// Out: R14, X15 and the stack pointer as they were; Go's convention keeps no others.
TEXT ·record(SB), NOSPLIT|NOFRAME, $0-0
	TAKE
	RDTSC
	MOVL	AX, const_slotTSC(R9)
	MOVL	DX, (const_slotTSC+4)(R9)
	MOVQ	BX, const_slotHead(R9) // last; pairs with the Load in Read
	RET

// recordAt is the code of putAt.
//
// In:  as record, and SI the counter value.
// Out: as record.
TEXT ·recordAt(SB), NOSPLIT|NOFRAME, $0-0
	TAKE
	MOVQ	SI, const_slotTSC(R9)
	MOVQ	BX, const_slotHead(R9) // as in record
	RET

// A func value is the address of a word that holds the code's address.
DATA ·recordCode+0(SB)/8, $·record(SB)
GLOBL ·recordCode(SB), RODATA|NOPTR, $8
DATA ·put+0(SB)/8, $·recordCode(SB)
GLOBL ·put(SB), RODATA, $8
DATA ·recordAtCode+0(SB)/8, $·recordAt(SB)
GLOBL ·recordAtCode(SB), RODATA|NOPTR, $8
DATA ·putAt+0(SB)/8, $·recordAtCode(SB)
GLOBL ·putAt(SB), RODATA, $8
