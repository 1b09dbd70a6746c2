#include "textflag.h"

// UseVDSO makes clockGettime the runtime's clock_gettime: time.Now costs no system
// call. The runtime calls through this variable when it is not 0. Linux fills it
// from the vDSO image, which this kernel does not have.
TEXT ·UseVDSO(SB), NOSPLIT, $0-0
	LEAQ	·clockGettime(SB), AX
	MOVQ	AX, runtime·vdsoClockgettimeSym(SB)
	RET

// clockGettime has the C ABI: DI is the clock (0 is CLOCK_REALTIME, any other
// counts from boot), SI points to seconds and nanoseconds, AX returns 0. It
// clobbers only what C may.
TEXT ·clockGettime(SB), NOSPLIT|NOFRAME, $0-0
	LFENCE
	RDTSC
	SHLQ	$32, DX
	ORQ	DX, AX
	SUBQ	·tscBase(SB), AX
	MULQ	·toNS(SB)               // DX:AX = ticks * Ratio, 32 fractional bits
	SHRQ	$32, AX
	SHLQ	$32, DX
	ORQ	DX, AX
	TESTL	DI, DI
	JNE	split
	ADDQ	·epoch(SB), AX
split:
	XORL	DX, DX
	MOVQ	$1000000000, CX
	DIVQ	CX
	MOVQ	AX, 0(SI)
	MOVQ	DX, 8(SI)
	XORL	AX, AX
	RET
