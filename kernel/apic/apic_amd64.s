#include "go_asm.h"
#include "textflag.h"

TEXT ·fence(SB), NOSPLIT, $0-0
	MFENCE
	LFENCE
	RET

TEXT ·end(SB), NOSPLIT, $0-0
	MOVQ	·base(SB), AX
	MOVL	$0, const_offEOI(AX)
	RET
