// ADDR32: R = run-time physical address of sym, wherever the image was loaded.
// Needs a stack; clobbers AX.
#define ADDR32(sym, R) \
	CALL	·here(SB); \
	LEAL	sym(SB), R; \
	LEAL	6(AX)(R*1), R
