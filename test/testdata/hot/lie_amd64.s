#include "textflag.h"

// lie makes n system calls with a frame pointer that does not lead to a frame.
TEXT ·lie(SB), NOSPLIT, $8-16
	MOVQ	n+8(FP), R13
	MOVQ	bp+0(FP), BP
again:
	MOVL	$110, AX              // getppid
	SYSCALL
	MOVL	$50, CX
spin:
	LOOP	spin
	DECQ	R13
	JNE	again
	RET
