package linux

import (
	"unsafe"

	"muster/kernel/clock"
	"muster/kernel/cpu"
	"muster/kernel/percpu"
	"muster/kernel/sched"
)

func ptrTo[T any](p *T) unsafe.Pointer { return unsafe.Pointer(p) }

// Flags of clone.
const (
	cloneVM           = 0x100
	cloneSighand      = 0x800
	cloneThread       = 0x10000
	cloneSettls       = 0x80000
	cloneParentSettid = 0x100000
	cloneChildSettid  = 0x1000000

	cloneThreadFlags = cloneVM | cloneSighand | cloneThread
)

// sysClone makes a thread of the same process. It refuses to make a new process.
func sysClone(c *percpu.CPU, t *Task, f *cpu.Frame) (*percpu.CPU, uint64) {
	flags := f.DI
	if flags&cloneThreadFlags != cloneThreadFlags {
		return c, errno(ENOSYS)
	}
	if t.proc.user && !canonicalUser(f.R8) {
		return c, errno(EPERM)
	}
	child := newTask(c, t.proc)
	if child == nil {
		return c, errno(EAGAIN)
	}
	cf := child.Frame()
	*cf = *f
	cf.AX = 0
	if f.SI != 0 {
		cf.SP = f.SI
	}
	child.UserFS, child.UserGS = c.UserFS, 0
	if t.proc.user {
		child.UserGS = cpu.UserGSBase()
	}
	if flags&cloneSettls != 0 {
		child.UserFS = uintptr(f.R8)
	}
	child.mask = t.mask
	id := child.ID
	if flags&cloneParentSettid != 0 && !t.Space.Store32(c, uintptr(f.DX), id) ||
		flags&cloneChildSettid != 0 && !t.Space.Store32(c, uintptr(f.R10), id) {
		discard(c, child)
		return c, errno(EFAULT)
	}
	if !t.proc.add(c, child) {
		discard(c, child)
		return c, errno(EAGAIN)
	}
	child.start(c, c.ID)
	return c, uint64(id)
}

// discard frees a task that has never run.
func discard(c *percpu.CPU, t *Task) {
	forget(c, t)
	Reap(c, uintptr(unsafe.Pointer(t)))
}

// canonicalUser reports whether an address is one that ring 3 can have.
func canonicalUser(addr uint64) bool { return addr < 1<<47 }

func sysExit(c *percpu.CPU, t *Task, f *cpu.Frame) (*percpu.CPU, uint64) {
	t.proc.status.CompareAndSwap(0, uint32(f.DI)&0xff)
	exitTask(c, t)
	return c, 0
}

func sysExitGroup(c *percpu.CPU, t *Task, f *cpu.Frame) (*percpu.CPU, uint64) {
	if !t.proc.user {
		kernelExit(c, f)
	}
	t.proc.end(c, uint32(f.DI)&0xff)
	return c, 0 // leave sees workExit
}

func sysGetpid(c *percpu.CPU, t *Task, _ *cpu.Frame) (*percpu.CPU, uint64) {
	return c, uint64(t.proc.ID)
}

func sysGettid(c *percpu.CPU, t *Task, _ *cpu.Frame) (*percpu.CPU, uint64) {
	return c, uint64(t.ID)
}

func sysSetTidAddress(c *percpu.CPU, t *Task, _ *cpu.Frame) (*percpu.CPU, uint64) {
	return c, uint64(t.ID)
}

func sysSchedYield(c *percpu.CPU, _ *Task, _ *cpu.Frame) (*percpu.CPU, uint64) {
	return sched.Yield(c), 0
}

// sysSchedGetaffinity returns the CPUs that are online, in whole words.
func sysSchedGetaffinity(c *percpu.CPU, t *Task, f *cpu.Frame) (*percpu.CPU, uint64) {
	n := percpu.Count()
	bytes := (uint64(n) + 63) / 64 * 8
	if f.SI < bytes || f.SI&7 != 0 {
		return c, errno(EINVAL)
	}
	for first := uint32(0); first < n; first += 64 {
		word := uint64(0)
		for id := first; id < min(first+64, n); id++ {
			if percpu.Get(id).IsOnline() {
				word |= 1 << (id - first)
			}
		}
		if !t.Space.Store64(c, uintptr(f.DX)+uintptr(first/8), word) {
			return c, errno(EFAULT)
		}
	}
	return c, bytes
}

func sysGetcpu(c *percpu.CPU, t *Task, f *cpu.Frame) (*percpu.CPU, uint64) {
	if f.DI != 0 && !t.Space.Store32(c, uintptr(f.DI), c.ID) ||
		f.SI != 0 && !t.Space.Store32(c, uintptr(f.SI), 0) {
		return c, errno(EFAULT)
	}
	return c, 0
}

// Codes of arch_prctl.
const (
	archSetGS = 0x1001
	archSetFS = 0x1002
	archGetFS = 0x1003
	archGetGS = 0x1004
)

func sysArchPrctl(c *percpu.CPU, t *Task, f *cpu.Frame) (*percpu.CPU, uint64) {
	set := f.DI == archSetFS || f.DI == archSetGS
	if set && t.proc.user && !canonicalUser(f.SI) {
		return c, errno(EPERM)
	}
	switch {
	case f.DI == archSetFS:
		c.UserFS = uintptr(f.SI)
		return c, 0
	case f.DI == archGetFS && t.Space.Store64(c, uintptr(f.SI), uint64(c.UserFS)):
		return c, 0
	case f.DI == archSetGS && t.proc.user:
		cpu.SetUserGSBase(uintptr(f.SI))
		return c, 0
	case f.DI == archGetGS && t.proc.user && t.Space.Store64(c, uintptr(f.SI), uint64(cpu.UserGSBase())):
		return c, 0
	case f.DI == archGetFS || f.DI == archGetGS && t.proc.user:
		return c, errno(EFAULT)
	}
	return c, errno(EINVAL)
}

// sysPrctl refuses to name a memory area, which has no name here. Linux does the
// same if it is built without that feature.
func sysPrctl(c *percpu.CPU, _ *Task, _ *cpu.Frame) (*percpu.CPU, uint64) { return c, errno(EINVAL) }

func sysPause(c *percpu.CPU, t *Task, _ *cpu.Frame) (*percpu.CPU, uint64) {
	for !t.interrupted() {
		c = sched.Park(c)
	}
	return c, errno(EINTR)
}

// runTime returns how long a task has run, up to now if it is the current one.
func (t *Task) runTime() clock.Time { return clock.Span(t.RanTicks()) }
