package clock

import "muster/kernel/layout"

// UseVDSO makes time.Now and time.Since of the hosted runtime read the page without a system
// call. rdtscp says that the CPUs have RDTSCP.
//
// Context: boot CPU, after UsePage and Calibrate, and before the runtime starts.
func UseVDSO(rdtscp bool) {
	if rdtscp {
		setRuntimeClock(runtimeClocks[0])
	} else {
		setRuntimeClock(runtimeClocks[1])
	}
}

// setRuntimeClock makes a function the runtime's clock_gettime.
func setRuntimeClock(pc uintptr)

// runtimeClocks has the runtime's function for CPUs with RDTSCP, and for those without.
var runtimeClocks [2]uintptr

// What programs call lies after the page of time data: one page with an ELF image, the vDSO
// (package vdso), and in it, from VDSOText on, the functions, each at a multiple of
// VDSOEntry. They find the page by its distance from their own code.
const (
	VDSOText  = 0x800
	VDSOEntry = 0x200

	VDSOGettime   = 0 * VDSOEntry // int clock_gettime(clockid_t, struct timespec *)
	VDSOTimeOfDay = 1 * VDSOEntry // int gettimeofday(struct timeval *, struct timezone *)
	VDSOTime      = 2 * VDSOEntry // time_t time(time_t *)
	VDSOGetCPU    = 3 * VDSOEntry // int getcpu(unsigned *, unsigned *, void *)
	VDSOBytes     = 4 * VDSOEntry
)

// VDSOCode returns the address of VDSOBytes bytes: the functions for CPUs with RDTSCP, or for
// those without. They are made for any place, with the page of time data before them.
//
// Context: any.
func VDSOCode(rdtscp bool) uintptr {
	if rdtscp {
		return vdsoCode[0]
	}
	return vdsoCode[1]
}

var vdsoCode [2]uintptr

// Values for the assembly.
const (
	// pageAt is the page's address in the kernel, as a number of 32 bits with a sign.
	pageAt = layout.ClockPage - 1<<64
	// fromCode is how far the page lies before the functions of the vDSO.
	fromCode = layout.PageSize + VDSOText

	sysGettimeofday = 96
	sysTime         = 201
	sysClockGettime = 228
	sysGetcpu       = 309
)
