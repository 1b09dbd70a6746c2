package kcall

// The start of CPUs.

import (
	"time"
	"unsafe"

	"muster/kernel/abi"
)

// SetCPULimit makes room for n CPUs. It works once.
func SetCPULimit(n int) error {
	_, err := quick(abi.SetCPULimit, uintptr(n), 0, 0, 0)
	return err
}

// PrepareCPU makes what a CPU needs before it starts and returns its number. Its
// local interrupt pins will be programmed as for SetNMI.
func PrepareCPU(apicID, acpiID, pins uint32) (cpu int, err error) {
	n, err := quick(abi.PrepareCPU, uintptr(apicID), uintptr(acpiID), uintptr(pins), 0)
	return int(n), err
}

// UseTrampoline builds the trampoline in a page below 1 MiB; 0 ends its use, and
// the page holds again what it held. CPUs that come halt at stage stopAt, if that
// is not 0, and take late longer than they need; with spoil something writes to the
// page when it has been built: for tests.
func UseTrampoline(page uint64, stopAt uint32, late time.Duration, spoil bool) error {
	s := uintptr(0)
	if spoil {
		s = 1
	}
	_, err := quick(abi.Trampoline, uintptr(page), uintptr(stopAt), uintptr(late), s)
	return err
}

// StageTimes returns when a CPU reached each stage of its start, in ns since boot,
// 0 where nobody knows.
func StageTimes(cpu int) (*[16]int64, error) {
	at := new([16]int64)
	_, err := quick(abi.StageTimes, uintptr(cpu), uintptr(unsafe.Pointer(at)), 0, 0)
	return at, err
}

// SendINIT resets the CPU with an APIC id.
func SendINIT(apicID uint32) error {
	_, err := quick(abi.SendINIT, uintptr(apicID), 0, 0, 0)
	return err
}

// SendStartup starts a CPU that was reset, at a page below 1 MiB.
func SendStartup(apicID uint32, page uint64) error {
	_, err := quick(abi.SendStartup, uintptr(apicID), uintptr(page), 0, 0)
	return err
}

// Proceed lets CPUs that are online take part. again says that they were told before:
// the message may have been lost. It returns how many are neither online nor take part.
func Proceed(cpus []uint32, again bool) (missing int, err error) {
	a := uintptr(0)
	if again {
		a = 1
	}
	n, err := quick(abi.Proceed, uintptr(unsafe.Pointer(unsafe.SliceData(cpus))), uintptr(len(cpus)), a, 0)
	return int(n), err
}
