#include "textflag.h"

// A mark is NOP DWORD [RAX+RAX+n], 8 bytes; tools/conflicts/plugin/conflicts.c says what the
// numbers mean. Go's assembler would choose a shorter form.
#define MARK(code) \
	LONG	$0x00841f0f; \
	LONG	$(0x4d750000 + code)

// func windowBegin()
TEXT ·windowBegin(SB), NOSPLIT, $0
	MARK(1)
	RET

// func windowEnd()
TEXT ·windowEnd(SB), NOSPLIT, $0
	MARK(2)
	RET

// A function for each worker, because the number is in the instruction.
#define WORKER(begin, end, n) \
	TEXT begin(SB), NOSPLIT, $0; \
	MARK(0x100 + n); \
	RET; \
	TEXT end(SB), NOSPLIT, $0; \
	MARK(0x200 + n); \
	RET

WORKER(·begin0, ·end0, 0)
WORKER(·begin1, ·end1, 1)
WORKER(·begin2, ·end2, 2)
WORKER(·begin3, ·end3, 3)

// spawn makes a thread that ends at once. The thread uses no stack and no Go.
//
// func spawn(flags, stack uintptr, tid *uint32) uintptr
TEXT ·spawn(SB), NOSPLIT, $0-32
	MOVQ	flags+0(FP), DI
	MOVQ	stack+8(FP), SI
	MOVQ	tid+16(FP), DX        // for CLONE_PARENT_SETTID
	MOVQ	DX, R10               // for CLONE_CHILD_CLEARTID
	XORL	R8, R8
	MOVL	$56, AX
	SYSCALL
	TESTQ	AX, AX
	JEQ	child
	MOVQ	AX, ret+24(FP)
	RET
child:
	XORL	DI, DI
	MOVL	$60, AX
	SYSCALL
	INT	$3
