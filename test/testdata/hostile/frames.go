package main

import (
	"fmt"
	"os"
	"runtime"
	"syscall"
	"time"
	"unsafe"
)

// Acts with stacks for handlers, and with frames for rt_sigreturn, that cannot be.

// In hostile_amd64.s.
func sigreturn(frame *byte)
func landing()
func landingPC() uintptr

func init() {
	// A handler that runs on a stack in the kernel's half, or nowhere.
	acts["signal stack"] = func() { signalStack(directMap + 8192) }
	acts["signal nowhere"] = func() { signalStack(4096) }

	// Frames for rt_sigreturn.
	acts["sigreturn ip"] = func() { defaults(); frame(func(u *ucontext) { u.ip = 1 << 47 }) }
	acts["sigreturn high"] = func() { defaults(); frame(func(u *ucontext) { u.ip = kernelText }) }
	acts["sigreturn flags"] = func() { frame(func(u *ucontext) { u.flags = ^uint64(0) &^ (1 << 8) }) }
	acts["sigreturn cs"] = func() { defaults(); frame(func(u *ucontext) { u.segments = 0x0010_0000_0000_0008 }) }
	acts["sigreturn xsave"] = func() {
		defaults()
		frame(func(u *ucontext) { u.fpstate = uint64(uintptr(unsafe.Pointer(badXSave()))) })
	}
	acts["sigreturn where"] = func() { defaults(); frame(func(u *ucontext) { u.fpstate = directMap }) }
	acts["sigreturn none"] = func() { defaults(); sigreturn((*byte)(unsafe.Pointer(uintptr(directMap)))) }
}

// signalStack gives SIGUSR1 an alternate stack that cannot be, and raises it.
func signalStack(at uintptr) {
	runtime.LockOSThread()
	ss := struct{ sp, flags, size uint64 }{uint64(at), 0, 1 << 16}
	_, _, e := syscall.RawSyscall(syscall.SYS_SIGALTSTACK, uintptr(unsafe.Pointer(&ss)), 0, 0)
	act := struct{ handler, flags, restorer, mask uint64 }{uint64(landingPC()), 0x0c000000, uint64(landingPC()), 0}
	syscall.RawSyscall6(syscall.SYS_RT_SIGACTION, uintptr(syscall.SIGUSR1), uintptr(unsafe.Pointer(&act)), 0, 8, 0, 0)
	fmt.Println("hostile: sigaltstack:", e)
	syscall.RawSyscall(syscall.SYS_TGKILL, uintptr(os.Getpid()), uintptr(syscall.Gettid()), uintptr(syscall.SIGUSR1))
	time.Sleep(time.Second)
}

// ucontext is what rt_sigreturn takes: only the fields that the acts change.
type ucontext struct {
	_              [40]byte
	r8to15         [8]uint64
	di, si, bp, bx uint64
	dx, ax, cx     uint64
	sp, ip         uint64
	flags          uint64
	segments       uint64
	_              [4]uint64
	fpstate        uint64
	_              [8]uint64
	mask           uint64
	_              [256]byte
}

// frame makes a frame that goes on at landing, lets change spoil it, and has the
// kernel take it.
func frame(change func(*ucontext)) {
	u := new(ucontext)
	stack := make([]byte, 64<<10)
	u.sp = uint64(uintptr(unsafe.Pointer(&stack[32<<10]))) &^ 15
	u.ip = uint64(landingPC())
	u.flags = 0x202
	u.segments = 0x33 | 0x2b<<48 // ring 3's CS and SS
	change(u)
	sigreturn((*byte)(unsafe.Pointer(u)))
}

// badXSave makes a vector state whose every reserved bit is set.
func badXSave() *byte {
	area := make([]byte, 4096+64)
	p := unsafe.Pointer((uintptr(unsafe.Pointer(&area[0])) + 63) &^ 63)
	b := unsafe.Slice((*byte)(p), 4096)
	for i := range b {
		b[i] = 0xff
	}
	return &b[0]
}
