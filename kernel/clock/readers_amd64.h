// The readers, for vdso_amd64.s. READ reads the counter. A reader has the C ABI and clobbers
// only what C may. A reader that a change has disturbed begins again.
//
// They compute a moment as moment.go does: the product's upper half has the seconds.

// The runtime's clock_gettime in the kernel: DI is the clock, SI points to seconds and
// nanoseconds. The runtime calls it for CLOCK_REALTIME (0) and CLOCK_MONOTONIC (1) alone, and
// does not look at the result.
TEXT RUNTIMECLOCK(SB), NOSPLIT|NOFRAME, $0-0
again:
	MOVL	(const_pageAt+Page_ended), R8
	READ
	SHLQ	$32, DX
	ORQ	DX, AX
	MULQ	(const_pageAt+Page_rate)
	ADDQ	(const_pageAt+Page_lo)(DI*8), AX
	ADCQ	(const_pageAt+Page_hi)(DI*8), DX
	CMPL	R8, (const_pageAt+Page_begun)
	JNE	repeat
	MOVQ	DX, 0(SI)
	MULQ	(const_pageAt+Page_billion)
	MOVQ	DX, 8(SI)
	RET
repeat:
	CMPL	(const_pageAt+Page_source), $const_sourceTSC
	JNE	call
	PAUSE
	JMP	again
call:
	MOVL	$const_sysClockGettime, AX
	SYSCALL
	RET

// The functions of the vDSO. A program runs a copy of these bytes, after a mapping of the
// page, which lies fromCode before them: PAGE is an offset from the code itself, so the
// instructions have a distance that is the same in each copy. If the counter is not the clock,
// each makes its system call, with the arguments as they came.
#define PAGE(field) VDSO+(field-const_fromCode)(SB)

// MOMENT reads a clock: its seconds into DX, the fraction of a second into AX. If the parameters
// change meanwhile, it jumps to again.
#define MOMENT(rate, lo, hi, again) \
	MOVL	PAGE(Page_ended), R8; \
	READ; \
	SHLQ	$32, DX; \
	ORQ	DX, AX; \
	MULQ	PAGE(rate); \
	ADDQ	PAGE(lo), AX; \
	ADCQ	PAGE(hi), DX; \
	CMPL	R8, PAGE(Page_begun); \
	JNE	again

// TIMESPEC stores what MOMENT has read, in seconds and nanoseconds at SI, and returns 0.
#define TIMESPEC \
	MOVQ	DX, 0(SI); \
	MULQ	PAGE(Page_billion); \
	MOVQ	DX, 8(SI); \
	XORL	AX, AX; \
	RET

TEXT VDSO(SB), NOSPLIT|NOFRAME, $0-0

// clock_gettime(DI clock, SI timespec). A caller may leave anything in the upper half of DI;
// such a number goes the long way. The first two clocks have code of their own.
	CMPQ	DI, $const_monotonic
	JEQ	mono
	JHI	others
real:
	MOMENT(Page_rate, Page_lo, Page_hi, repeat)
	TIMESPEC
mono:
	MOMENT(Page_rate, Page_lo+8*const_monotonic, Page_hi+8*const_monotonic, repeat)
	TIMESPEC
raw:
	MOMENT(Page_raw, Page_raw+8, Page_raw+16, repeat)
	TIMESPEC
repeat:
	CMPL	PAGE(Page_source), $const_sourceTSC
	JNE	call
	PAUSE
others:
	MOVL	$(const_likeReal), AX
	BTL	DI, AX
	JCS	checkReal
	MOVL	$(const_likeMono), AX
	BTL	DI, AX
	JCS	checkMono
	CMPL	DI, $const_monotonicRaw
	JEQ	raw
call:
	MOVL	$const_sysClockGettime, AX
	SYSCALL
	RET
checkReal:
	CMPL	DI, $const_ids          // BTL looks at 5 bits alone; below 0 are clocks of tasks
	JCS	real
	JMP	call
checkMono:
	CMPL	DI, $const_ids
	JCS	mono
	JMP	call

// gettimeofday(DI timeval, SI timezone); each may be nil.
	PCALIGN	$const_VDSOEntry
day:
	MOMENT(Page_rate, Page_lo, Page_hi, dayRepeat)
	TESTQ	DI, DI
	JEQ	zone
	MOVQ	DX, 0(DI)
	MOVL	$1000000, CX
	MULQ	CX
	MOVQ	DX, 8(DI)
zone:
	XORL	AX, AX
	TESTQ	SI, SI
	JEQ	dayDone
	MOVQ	AX, 0(SI)
dayDone:
	RET
dayRepeat:
	CMPL	PAGE(Page_source), $const_sourceTSC
	JNE	dayCall
	PAUSE
	JMP	day
dayCall:
	MOVL	$const_sysGettimeofday, AX
	SYSCALL
	RET

// time(DI seconds), which may be nil.
	PCALIGN	$const_VDSOEntry
seconds:
	MOMENT(Page_rate, Page_lo, Page_hi, secondsRepeat)
	MOVQ	DX, AX
	TESTQ	DI, DI
	JEQ	secondsDone
	MOVQ	AX, 0(DI)
secondsDone:
	RET
secondsRepeat:
	CMPL	PAGE(Page_source), $const_sourceTSC
	JNE	secondsCall
	PAUSE
	JMP	seconds
secondsCall:
	MOVL	$const_sysTime, AX
	SYSCALL
	RET

// getcpu(DI cpu, SI node, DX unused); each may be nil. There is one node here, 0.
	PCALIGN	$const_VDSOEntry
#ifdef HAVE_AUX
	CMPL	PAGE(Page_named), $0
	JEQ	getcpu
	READ
	XORL	AX, AX
	TESTQ	DI, DI
	JEQ	node
	MOVL	CX, 0(DI)
node:
	TESTQ	SI, SI
	JEQ	done
	MOVL	AX, 0(SI)
done:
	RET
getcpu:
#endif
	MOVL	$const_sysGetcpu, AX
	SYSCALL
	RET
	PCALIGN	$const_VDSOEntry
	INT	$3                      // the copy ends before it
#undef TIMESPEC
#undef MOMENT
#undef PAGE
