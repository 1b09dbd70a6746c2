package linux

import (
	"unsafe"

	"muster/kernel/clock"
	"muster/kernel/cpu"
	"muster/kernel/layout"
	"muster/kernel/mem"
	"muster/kernel/percpu"
	"muster/kernel/random"
	"muster/kernel/sched"
	"muster/kernel/upcall"
)

func sysZero(c *percpu.CPU, _ *Task, _ *cpu.Frame) (*percpu.CPU, uint64) { return c, 0 }

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
	resource := uintArg(f.DI)
	if resource >= rlimitCount {
		return c, errno(EINVAL)
	}
	return c, storeLimit(c, t, resource, uintptr(f.SI))
}

// sysPrlimit64 reports limits. None can be changed: to set one to what it is succeeds, and
// anything else is refused, because nothing would keep to it.
func sysPrlimit64(c *percpu.CPU, t *Task, f *cpu.Frame) (*percpu.CPU, uint64) {
	pid, resource := uint32(f.DI), uintArg(f.SI)
	var soft, most uint64
	if f.DX != 0 {
		var ok, ok2 bool
		soft, ok = t.Space.Load64(c, uintptr(f.DX))
		if most, ok2 = t.Space.Load64(c, uintptr(f.DX)+8); !ok || !ok2 {
			return c, errno(EFAULT)
		}
	}
	switch {
	case pid != 0 && pid != t.proc.ID:
		return c, errno(ESRCH)
	case resource >= rlimitCount || soft > most:
		return c, errno(EINVAL)
	case f.DX != 0 && (soft != limitOf(resource) || most != limitOf(resource)):
		return c, errno(EPERM)
	case f.R10 != 0:
		return c, storeLimit(c, t, resource, uintptr(f.R10))
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
	v[10] = uint64(min(n, 1<<16-1)) // processes, a 16-bit field
	v[13] = 1                       // memory unit
	if !t.Space.CopyOut(c, uintptr(f.DI), unsafe.Pointer(&v), unsafe.Sizeof(v)) {
		return c, errno(EFAULT)
	}
	return c, 0
}

// Flags of getrandom.
const (
	grndNonBlock = 1
	grndRandom   = 2
	grndInsecure = 4
)

// randomStep is the number of bytes of getrandom between two pauses.
const randomStep = 256

// sysGetrandom ends early at a signal, but not within the first 256 bytes, as Linux's
// does not.
func sysGetrandom(c *percpu.CPU, t *Task, f *cpu.Frame) (*percpu.CPU, uint64) {
	const either = grndRandom | grndInsecure
	if flags := uint32(f.DX); flags&^(grndNonBlock|either) != 0 || flags&either == either {
		return c, errno(EINVAL)
	}
	n := min(f.SI, maxTransfer)
	for done := uint64(0); done < n; {
		var b [randomStep / 8]uint64
		size := min(n-done, randomStep, layout.PageSize-(f.DI+done)&pageMask) // a page that is absent costs what follows alone
		for i := range (size + 7) / 8 {
			b[i] = random.Uint64(c)
		}
		ok := t.Space.CopyOut(c, uintptr(f.DI+done), unsafe.Pointer(&b), uintptr(size))
		clear(b[:]) // this stack is the kernel's, but the numbers are the program's secret
		if !ok {
			if done == 0 {
				return c, errno(EFAULT)
			}
			return c, done
		}
		if done += size; done/randomStep != (done-size)/randomStep {
			if c = sched.Breathe(c); t.interrupted() {
				return c, done
			}
		}
	}
	return c, n
}

// kernelExit reports that the kernel's own runtime has ended, after a Go panic
// without a recover. The panic's text is on the console already.
func kernelExit(c *percpu.CPU, f *cpu.Frame) {
	upcall.To.Panic(c, f, "the kernel's own Go runtime exited; status", f.DI, 0)
}
