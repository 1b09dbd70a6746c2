#include "textflag.h"

TEXT ·systemCall(SB), NOSPLIT, $0-0
	MOVL	$39, AX
	SYSCALL
	RET

TEXT ·callData(SB), NOSPLIT, $8-0
	LEAQ	·victims(SB), AX
	CALL	AX
	RET

// The accesses by which probe.go provokes faults. Each is the first instruction of
// a symbol, or of a page, so the return address is on top of the stack when it
// faults, and probeReturn ends the call.
TEXT ·probeLoad(SB), NOSPLIT, $8-8
	MOVQ	addr+0(FP), AX
	CALL	·probeLoadAX(SB)
	RET
TEXT ·probeStore(SB), NOSPLIT, $8-8
	MOVQ	addr+0(FP), AX
	MOVQ	(AX), CX
	CALL	·probeStoreAX(SB)
	RET
TEXT ·probeCall(SB), NOSPLIT, $8-8
	MOVQ	addr+0(FP), AX
	CALL	AX
	RET
TEXT ·probeLoadAX(SB), NOSPLIT|NOFRAME, $0
	MOVQ	(AX), AX
	RET
TEXT ·probeStoreAX(SB), NOSPLIT|NOFRAME, $0
	MOVQ	CX, (AX)
	RET
TEXT ·probeReturn(SB), NOSPLIT|NOFRAME, $0
	RET

DATA ·probeReturnPC+0(SB)/8, $·probeReturn(SB)
GLOBL ·probeReturnPC(SB), RODATA|NOPTR, $8
