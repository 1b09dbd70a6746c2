package linux

import (
	"unsafe"

	"muster/kernel/cpu"
	"muster/kernel/percpu"
)

// Options of wait4 and waitid.
const (
	waitNohang    = 1
	waitStopped   = 2
	waitExited    = 4
	waitContinued = 8
	waitNowait    = 0x1000000
	waitThreads   = 0xe0000000 // of clones, of all, of the caller's thread alone
	waitKinds     = 3          // of waitid: all, a process, a group, a descriptor
)

// sysWait4 finds no children, because a program cannot make processes.
func sysWait4(c *percpu.CPU, _ *Task, f *cpu.Frame) (*percpu.CPU, uint64) {
	switch {
	case uint32(f.DX)&^(waitNohang|waitStopped|waitContinued|waitThreads) != 0:
		return c, errno(EINVAL)
	case int32(f.DI) == -1<<31:
		return c, errno(ESRCH)
	}
	return c, errno(ECHILD)
}

// sysWaitid is sysWait4 with other arguments. As on Linux, it stores an empty siginfo even
// when it fails.
func sysWaitid(c *percpu.CPU, t *Task, f *cpu.Frame) (*percpu.CPU, uint64) {
	// Signal, error and code of a siginfo; four bytes that stay; process, user and status.
	var none [3]uint32
	for _, at := range [2]uint64{0, 16} {
		if f.DX != 0 && !t.Space.CopyOut(c, uintptr(f.DX+at), ptrTo(&none), unsafe.Sizeof(none)) {
			return c, errno(EFAULT)
		}
	}
	kind, options := uint32(f.DI), uint32(f.R10)
	switch {
	case options&^(waitNohang|waitStopped|waitExited|waitContinued|waitNowait|waitThreads) != 0,
		options&(waitStopped|waitExited|waitContinued) == 0,
		kind > waitKinds, kind == 1 && int32(f.SI) <= 0, kind >= 2 && int32(f.SI) < 0:
		return c, errno(EINVAL)
	case kind == waitKinds:
		return c, errno(EBADF) // no descriptor is one of a process
	}
	return c, errno(ECHILD)
}
