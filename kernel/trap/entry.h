// Macros of the entry stubs.

#define PUSHALL \
	PUSHQ	AX; PUSHQ BX; PUSHREST
// PUSHREST is the rest of PUSHALL after AX and BX.
#define PUSHREST \
	PUSHQ	CX; PUSHQ DX; PUSHQ BP; PUSHQ SI; PUSHQ DI; \
	PUSHQ	R8; PUSHQ R9; PUSHQ R10; PUSHQ R11; PUSHQ R12; PUSHQ R13; PUSHQ R14; PUSHQ R15
#define POPALL \
	POPQ	R15; POPQ R14; POPQ R13; POPQ R12; POPQ R11; POPQ R10; POPQ R9; POPQ R8; \
	POPQ	DI; POPQ SI; POPQ BP; POPQ DX; POPQ CX; POPQ BX; POPQ AX

// ENTERGO gives compiled code its FS, g and X15. Clobbers AX. It stores the g, too: if the core itself was interrupted,
// that may have been in runtime.morestack, which stores another one.
#define ENTERGO \
	MOVQ	const_offKernelFS(GS), AX; \
	WRFSBASEQ AX; \
	MOVQ	const_offKernelG(GS), R14; \
	MOVQ	R14, -8(AX); \
	XORPS	X15, X15

// LINKFRAME makes a frame-pointer record below SP from the Frame at BX, so that a
// stack walk continues in the interrupted code.
#define LINKFRAME \
	PUSHQ	const_frameIP(BX); \
	PUSHQ	const_frameBP(BX); \
	MOVQ	SP, BP
