package linux

import (
	"unsafe"

	"muster/kernel/clock"
	"muster/kernel/cpu"
	"muster/kernel/layout"
	"muster/kernel/mem"
	"muster/kernel/percpu"
	"muster/kernel/upcall"
)

func sysZero(c *percpu.CPU, _ *Task, _ *cpu.Frame) (*percpu.CPU, uint64) { return c, 0 }

// sysWait4 finds no children, because a program cannot make processes.
func sysWait4(c *percpu.CPU, _ *Task, _ *cpu.Frame) (*percpu.CPU, uint64) { return c, errno(ECHILD) }

// utsname is the kernel's struct new_utsname. Programs decide by sysname and
// release which calls they use, so these name the interface of this package.
type utsname struct{ sysname, nodename, release, version, machine, domain [65]byte }

// Names that uname returns.
const (
	utsSysname = "Linux"
	utsRelease = "6.1.0-muster"
	utsVersion = "Muster"
)

func sysUname(c *percpu.CPU, t *Task, f *cpu.Frame) (*percpu.CPU, uint64) {
	var u utsname
	copy(u.sysname[:], utsSysname)
	copy(u.nodename[:], "muster")
	copy(u.release[:], utsRelease)
	copy(u.version[:], utsVersion)
	copy(u.machine[:], "x86_64")
	if !t.Space.CopyOut(c, uintptr(f.DI), unsafe.Pointer(&u), unsafe.Sizeof(u)) {
		return c, errno(EFAULT)
	}
	return c, 0
}

// sysGetcwd returns the root, the only directory.
func sysGetcwd(c *percpu.CPU, t *Task, f *cpu.Frame) (*percpu.CPU, uint64) {
	if f.SI < 2 {
		return c, errno(ERANGE)
	}
	root := [2]byte{'/', 0}
	if !t.Space.CopyOut(c, uintptr(f.DI), unsafe.Pointer(&root), 2) {
		return c, errno(EFAULT)
	}
	return c, 2
}

// Resources of getrlimit.
const (
	rlimitStack  = 3
	rlimitNofile = 7
	rlimitCount  = 16
	rlimInfinity = 1<<64 - 1
)

// mainStack is the size of a program's first stack; package exec makes it.
const mainStack = 8 << 20

func limitOf(resource uint64) uint64 {
	switch resource {
	case rlimitStack:
		return mainStack
	case rlimitNofile:
		return maxFiles
	}
	return rlimInfinity
}

func storeLimit(c *percpu.CPU, t *Task, resource uint64, addr uintptr) uint64 {
	v := limitOf(resource)
	if !t.Space.Store64(c, addr, v) || !t.Space.Store64(c, addr+8, v) {
		return errno(EFAULT)
	}
	return 0
}

func sysGetrlimit(c *percpu.CPU, t *Task, f *cpu.Frame) (*percpu.CPU, uint64) {
	if f.DI >= rlimitCount {
		return c, errno(EINVAL)
	}
	return c, storeLimit(c, t, f.DI, uintptr(f.SI))
}

// sysPrlimit64 reports limits. Setting a limit to its present value succeeds.
func sysPrlimit64(c *percpu.CPU, t *Task, f *cpu.Frame) (*percpu.CPU, uint64) {
	if f.SI >= rlimitCount {
		return c, errno(EINVAL)
	}
	if f.DI != 0 && uint32(f.DI) != t.proc.ID {
		return c, errno(ESRCH)
	}
	if f.DX != 0 {
		soft, ok := t.Space.Load64(c, uintptr(f.DX))
		if !ok {
			return c, errno(EFAULT)
		}
		if soft > limitOf(f.SI) {
			return c, errno(EPERM)
		}
	}
	if f.R10 != 0 {
		return c, storeLimit(c, t, f.SI, uintptr(f.R10))
	}
	return c, 0
}

func sysSysinfo(c *percpu.CPU, t *Task, f *cpu.Frame) (*percpu.CPU, uint64) {
	s := mem.ReadStats(c)
	tasks.mu.Lock(c)
	n := tasks.n
	tasks.mu.Unlock(c)
	var v [14]uint64 // struct sysinfo: 112 bytes
	v[0] = uint64(clock.Now() / clock.Second)
	v[4] = s.Total * layout.PageSize
	v[5] = s.Free * layout.PageSize
	v[10] = uint64(n) // processes, a 16-bit field
	v[13] = 1         // memory unit
	if !t.Space.CopyOut(c, uintptr(f.DI), unsafe.Pointer(&v), unsafe.Sizeof(v)) {
		return c, errno(EFAULT)
	}
	return c, 0
}

// Flags of getrandom.
const grndAll = 7

func sysGetrandom(c *percpu.CPU, t *Task, f *cpu.Frame) (*percpu.CPU, uint64) {
	if f.DX&^grndAll != 0 {
		return c, errno(EINVAL)
	}
	n := min(f.SI, 256) // as Linux: up to 256 bytes are never cut short
	for done := uint64(0); done < n; done += 8 {
		v := cpu.Random()
		if !t.Space.CopyOut(c, uintptr(f.DI+done), unsafe.Pointer(&v), uintptr(min(n-done, 8))) {
			return c, errno(EFAULT)
		}
	}
	return c, n
}

// kernelExit reports that the kernel's own runtime has ended, after a Go panic
// without a recover. The panic's text is on the console already.
func kernelExit(c *percpu.CPU, f *cpu.Frame) {
	upcall.To.Panic(c, f, "the kernel's own Go runtime exited; status", f.DI, 0)
}
