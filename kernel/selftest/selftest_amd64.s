#include "textflag.h"

TEXT ·systemCall(SB), NOSPLIT, $0-0
	MOVL	$39, AX
	SYSCALL
	RET

TEXT ·undefined(SB), NOSPLIT, $0-0
	UNDEF
	RET

TEXT ·breakpoint(SB), NOSPLIT, $0-0
	INT	$3
	RET

// doubleFault leaves the table of gates those up to the double fault's. The page fault
// has no gate, which is a general protection fault; that has none, either.
TEXT ·doubleFault(SB), NOSPLIT, $16-0
	SIDT	6(SP)
	MOVW	$(9*16-1), 6(SP)
	LIDT	6(SP)
	XORL	AX, AX
	MOVQ	(AX), AX
	RET

TEXT ·singleStep(SB), NOSPLIT, $8-0
	PUSHFQ
	ORQ	$0x100, (SP)
	POPFQ
	NOP
	RET

TEXT ·spurious(SB), NOSPLIT, $0-0
	INT	$0xff
	RET

TEXT ·empty(SB), NOSPLIT, $0-0
	INT	$0xe0
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
