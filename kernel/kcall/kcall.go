// Package kcall has a Go function for each private system call, by which the
// kernel's own Go code enters the core. Most are generated from the tables in
// package abi; those here make more than one call, or convert the result to Go's
// own types.
//
// Layer: service.
// Context: any goroutine. Calls that may block use syscall.Syscall, so that the
// runtime can stop the world meanwhile; RawSyscall would delay it.
// Locks: none.
// Chapter: docs/10-system-calls.md.
package kcall

import (
	"cmp"
	"fmt"
	"slices"
	"syscall"
	"time"
	"unsafe"

	"muster/kernel/abi"
	"muster/kernel/ipi"
	"muster/kernel/lock"
)

// quick makes a call that does not block. Pointers among the arguments are
// converted in the argument list: with the directive their objects do not move.
//
//go:uintptrescapes
func quick(n int, a, b, c, d uintptr) (uintptr, error) {
	r, _, errno := syscall.RawSyscall6(uintptr(n), a, b, c, d, 0, 0)
	return r, asError(errno)
}

// blocking makes a call that may block or take long.
//
//go:uintptrescapes
func blocking(n int, a, b, c, d uintptr) (uintptr, error) {
	r, _, errno := syscall.Syscall6(uintptr(n), a, b, c, d, 0, 0)
	return r, asError(errno)
}

func asError(e syscall.Errno) error {
	if e == 0 {
		return nil
	}
	return e
}

// flag is a bool in a register.
func flag(b bool) uintptr {
	if b {
		return 1
	}
	return 0
}

// LogEntry is one line of the kernel log.
type LogEntry struct {
	Time  time.Duration
	CPU   uint32
	Level uint32
	Text  string
}

// ReadLog returns the log, oldest line first.
func ReadLog() (entries []LogEntry) {
	text := make([]byte, 1024)
	for pos := uint64(0); ; {
		e, next, err := readLog(pos, text)
		if err != nil {
			return entries
		}
		entries = append(entries, LogEntry{time.Duration(e.TimeNS), e.CPU, e.Level, string(text[:e.Length])})
		pos = next
	}
}

// Slice returns n values at an address that the core returned.
func Slice[T any](addr, n uintptr) []T {
	if n == 0 {
		return nil
	}
	return unsafe.Slice((*T)(unsafe.Pointer(addr)), n)
}

// MapPhys maps n bytes of physical memory from addr on, read-only. The mapping
// stays.
func MapPhys(addr uint64, n int) ([]byte, error) {
	va, err := mapPhys(addr, uint64(n), false)
	if err != nil {
		return nil, fmt.Errorf("map %d bytes at %#x: %w", n, addr, err)
	}
	return Slice[byte](va, uintptr(n)), nil
}

// MapDevice maps n bytes of device registers from addr on, and returns their
// address. The mapping stays.
func MapDevice(addr uint64, n int) (uintptr, error) {
	va, err := mapPhys(addr, uint64(n), true)
	if err != nil {
		return 0, fmt.Errorf("map %d bytes of registers at %#x: %w", n, addr, err)
	}
	return va, nil
}

// Threads returns all threads by id.
func Threads() (all []abi.Thread) {
	for id := uint32(0); ; {
		t, err := threadInfo(id)
		if err != nil {
			return all
		}
		all = append(all, *t)
		id = t.ID + 1
	}
}

// Thread returns the thread with an id; ESRCH if there is none.
func Thread(id uint32) (*abi.Thread, error) {
	t, err := threadInfo(id)
	if err == nil && t.ID != id {
		err = syscall.ESRCH
	}
	return t, err
}

// IRQCount returns how often a vector has interrupted a CPU, 0 if there is no such CPU.
func IRQCount(cpu, vector int) uint64 {
	n, err := irqCount(cpu, vector)
	if err != nil {
		return 0
	}
	return n
}

// IPICount returns how often something has happened to IPIs of a kind on a CPU, 0 if
// there is no such CPU.
func IPICount(cpu int, k ipi.Kind, n ipi.Counter) uint64 {
	v, err := ipiCount(cpu, uint32(k), uint32(n))
	if err != nil {
		return 0
	}
	return v
}

// LockCount returns what a CPU has counted for the locks of a rank, 0 if there is no such CPU. A
// time is in nanoseconds.
func LockCount(cpu int, r lock.Rank, n lock.Counter) uint64 {
	v, err := lockCount(cpu, uint32(r), uint32(n))
	if err != nil {
		return 0
	}
	return v
}

// Trace returns the events in a CPU's ring from number from on, newest first: those that
// were there, whole, at the first call. The CPU may record more meanwhile, and overwrite
// the oldest.
func Trace(cpu int, from uint64) (records []abi.TraceRecord) {
	batch := make([]abi.TraceRecord, 128)
	for seq := int64(-1); ; seq = int64(records[len(records)-1].Seq) - 1 {
		n, err := traceRead(cpu, seq, batch)
		if err != nil || n == 0 {
			break
		}
		records = append(records, batch[:n]...)
		if batch[n-1].Seq <= from {
			break
		}
	}
	records = slices.DeleteFunc(records, func(r abi.TraceRecord) bool { return r.Seq < from })
	// By time: an NMI records before what it interrupted has read the clock.
	slices.SortStableFunc(records, func(a, b abi.TraceRecord) int { return cmp.Compare(b.TimeNS, a.TimeNS) })
	return records
}

// UpTime returns the nanoseconds since the kernel's first instruction.
func UpTime() int64 {
	var ts syscall.Timespec
	syscall.Syscall(syscall.SYS_CLOCK_GETTIME, 1, uintptr(unsafe.Pointer(&ts)), 0)
	return ts.Nano()
}
