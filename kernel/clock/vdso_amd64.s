#include "go_asm.h"
#include "textflag.h"

// Readers of the page in assembly, each in two forms. RDTSCP reads the counter after all loads
// before it, in one instruction, and puts IA32_TSC_AUX into CX. A CPU that lacks it needs
// LFENCE and RDTSC, and its programs make a system call for the number of the CPU.
//
// Source: Intel SDM vol. 2B, "RDTSCP" and "RDTSC".

#define RUNTIMECLOCK ·runtimeClock
#define VDSO ·vdso
#define READ RDTSCP
#define HAVE_AUX
#include "readers_amd64.h"

#undef RUNTIMECLOCK
#undef VDSO
#undef READ
#undef HAVE_AUX
#define RUNTIMECLOCK ·runtimeClockFenced
#define VDSO ·vdsoFenced
#define READ LFENCE; RDTSC
#include "readers_amd64.h"

DATA ·runtimeClocks+0(SB)/8, $·runtimeClock(SB)
DATA ·runtimeClocks+8(SB)/8, $·runtimeClockFenced(SB)
GLOBL ·runtimeClocks(SB), RODATA|NOPTR, $16

DATA ·vdsoCode+0(SB)/8, $·vdso(SB)
DATA ·vdsoCode+8(SB)/8, $·vdsoFenced(SB)
GLOBL ·vdsoCode(SB), RODATA|NOPTR, $16

// setRuntimeClock writes the variable through which the runtime calls clock_gettime when it
// is not 0. On Linux the runtime fills it from the vDSO.
TEXT ·setRuntimeClock(SB), NOSPLIT, $0-8
	MOVQ	pc+0(FP), AX
	MOVQ	AX, runtime·vdsoClockgettimeSym(SB)
	RET
