// Package sys has what the programs of testdata share: system calls by their number, and
// signal handlers in assembly.
//
// Layer: host.
// Context: Linux, and Muster's ring 3.
// Chapter: docs/11-ring-3.md.
package sys

import (
	"syscall"
	"unsafe"
)

// Call makes a system call that may wait: the Go runtime gives its P to another thread.
//
// What an argument points to, by uintptr(unsafe.Pointer(p)) in the call, is in the heap: a
// stack may move before the system call is made, and while it waits.
//
//go:uintptrescapes
func Call(n uintptr, a ...uintptr) (uintptr, syscall.Errno) {
	var b [6]uintptr
	copy(b[:], a)
	r, _, e := syscall.Syscall6(n, b[0], b[1], b[2], b[3], b[4], b[5])
	return r, e
}

// Raw makes a system call without the knowledge of the Go runtime. Its arguments are as
// those of Call.
//
//go:uintptrescapes
func Raw(n uintptr, a ...uintptr) (uintptr, syscall.Errno) {
	var b [6]uintptr
	copy(b[:], a)
	r, _, e := syscall.RawSyscall6(n, b[0], b[1], b[2], b[3], b[4], b[5])
	return r, e
}

// Flags of a signal's action.
const (
	SigInfo    = 0x4
	OnStack    = 0x08000000
	Restart    = 0x10000000
	NotBlocked = 0x40000000 // the signal itself, while its handler runs
	hasReturn  = 0x04000000
)

// Handle makes the code at an address the handler of a signal. It returns to a
// rt_sigreturn; it uses no stack but its own frame, and no Go.
func Handle(sig syscall.Signal, code uintptr, flags, mask uint64) syscall.Errno {
	act := struct{ handler, flags, restorer, mask uint64 }{uint64(code), flags | hasReturn, uint64(ReturnPC()), mask}
	_, e := Raw(syscall.SYS_RT_SIGACTION, uintptr(sig), uintptr(unsafe.Pointer(&act)), 0, 8)
	return e
}

// ReturnPC is the address of the code that makes a rt_sigreturn.
func ReturnPC() uintptr

// IdlePC is the address of a handler that does nothing.
func IdlePC() uintptr
