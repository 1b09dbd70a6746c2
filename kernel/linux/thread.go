package linux

import (
	"unsafe"

	"muster/kernel/cpu"
	"muster/kernel/layout"
	"muster/kernel/percpu"
	"muster/kernel/sched"
)

func ptrTo[T any](p *T) unsafe.Pointer { return unsafe.Pointer(p) }

func sysGetpid(c *percpu.CPU, t *Task, _ *cpu.Frame) (*percpu.CPU, uint64) {
	return c, uint64(t.proc.ID)
}

func sysGettid(c *percpu.CPU, t *Task, _ *cpu.Frame) (*percpu.CPU, uint64) {
	return c, uint64(t.ID)
}

func sysSetTidAddress(c *percpu.CPU, t *Task, f *cpu.Frame) (*percpu.CPU, uint64) {
	t.clearTID = uintptr(f.DI)
	return c, uint64(t.ID)
}

func sysSchedYield(c *percpu.CPU, _ *Task, _ *cpu.Frame) (*percpu.CPU, uint64) {
	return sched.Yield(c), 0
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
	op := uint32(f.DI) // an int
	set := op == archSetFS || op == archSetGS
	if set && t.proc.user && f.SI >= layout.UserEnd {
		return c, errno(EPERM)
	}
	switch {
	case op == archSetFS:
		c.UserFS = uintptr(f.SI)
		return c, 0
	case op == archGetFS && t.Space.Store64(c, uintptr(f.SI), uint64(c.UserFS)):
		return c, 0
	case op == archSetGS && t.proc.user:
		cpu.SetUserGSBase(uintptr(f.SI))
		return c, 0
	case op == archGetGS && t.proc.user && t.Space.Store64(c, uintptr(f.SI), uint64(cpu.UserGSBase())):
		return c, 0
	case op == archGetFS || op == archGetGS && t.proc.user:
		return c, errno(EFAULT)
	}
	return c, errno(EINVAL)
}

// Options of prctl.
const (
	prSetName = 15
	prGetName = 16
)

// sysPrctl sets and returns the name of the task. It refuses everything else: a memory
// area has no name here, and Linux that is built without that feature does the same.
func sysPrctl(c *percpu.CPU, t *Task, f *cpu.Frame) (*percpu.CPU, uint64) {
	switch uint32(f.DI) {
	case prSetName:
		var name [16]byte
		for i := range name[:15] {
			var b [1]byte
			if !t.Space.CopyIn(c, ptrTo(&b), uintptr(f.SI)+uintptr(i), 1) {
				return c, errno(EFAULT)
			}
			if name[i] = b[0]; b[0] == 0 {
				break
			}
		}
		t.SetName(&name)
		return c, 0
	case prGetName:
		if !t.Space.CopyOut(c, uintptr(f.SI), ptrTo(&t.Name), unsafe.Sizeof(t.Name)) {
			return c, errno(EFAULT)
		}
		return c, 0
	}
	return c, errno(EINVAL)
}
