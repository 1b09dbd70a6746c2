#include "textflag.h"

#define ADDRESS(name, function) \
	TEXT name(SB), NOSPLIT, $0-8; \
	LEAQ	function(SB), AX; \
	MOVQ	AX, ret+0(FP); \
	RET

// sigreturn is where a handler returns to.
TEXT ·sigreturn(SB), NOSPLIT|NOFRAME, $0
	MOVL	$15, AX
	SYSCALL
	INT	$3

// idle is a handler that does nothing.
TEXT ·idle(SB), NOSPLIT|NOFRAME, $0
	RET

ADDRESS(·ReturnPC, ·sigreturn)
ADDRESS(·IdlePC, ·idle)
