#include "textflag.h"

// func call(fn, a, b uintptr) uintptr
// It calls a function of the C ABI that uses no stack.
TEXT ·call(SB), NOSPLIT, $16-32
	MOVQ	fn+0(FP), AX
	MOVQ	a+8(FP), DI
	MOVQ	b+16(FP), SI
	XORL	DX, DX
	CALL	AX
	MOVQ	AX, ret+24(FP)
	RET

// func ticks() uint64
TEXT ·ticks(SB), NOSPLIT, $0-8
	LFENCE
	RDTSC
	SHLQ	$32, DX
	ORQ	DX, AX
	MOVQ	AX, ret+0(FP)
	RET

// func useCalls()
// It makes the Go runtime of this program read the clock by system calls.
TEXT ·useCalls(SB), NOSPLIT, $0-0
	MOVQ	$0, runtime·vdsoClockgettimeSym(SB)
	RET
