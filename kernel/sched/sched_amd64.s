#include "textflag.h"

// switchStack is called by the thread that stops and returns in the thread that
// goes on. Compiled code keeps nothing in registers across a call but the frame
// pointer; the wrapper reloads g from the new FS.
TEXT ·switchStack(SB), NOSPLIT|NOFRAME, $0-24
	MOVQ	fs+16(FP), AX
	WRFSBASEQ AX
	MOVQ	save+0(FP), AX
	MOVQ	sp+8(FP), CX
	PUSHQ	BP
	MOVQ	SP, (AX)
	MOVQ	CX, SP
	POPQ	BP
	RET
