package linux

import (
	"unsafe"

	"muster/kernel/cpu"
	"muster/kernel/percpu"
)

// stackT is the kernel's stack_t.
type stackT struct {
	sp    uint64
	flags uint32
	_     uint32
	size  uint64
}

const (
	stackOn      = 1
	stackDisable = 2
	minStack     = 2048
)

// onAlt reports whether a stack pointer lies on the alternate stack.
func (t *Task) onAlt(sp uint64) bool {
	return sp > uint64(t.altLow) && sp-uint64(t.altLow) <= uint64(t.altSize)
}

func sysSigaltstack(c *percpu.CPU, t *Task, f *cpu.Frame) (*percpu.CPU, uint64) {
	old := stackT{sp: uint64(t.altLow), size: uint64(t.altSize)}
	on := t.onAlt(f.SP)
	if t.altSize == 0 {
		old.flags = stackDisable
	} else if on {
		old.flags = stackOn
	}
	if f.DI != 0 {
		var ss stackT
		if !t.Space.CopyIn(c, ptrTo(&ss), uintptr(f.DI), unsafe.Sizeof(ss)) {
			return c, errno(EFAULT)
		}
		if e := t.setAlt(f.SP, &ss); e != 0 {
			return c, errno(e)
		}
	}
	if f.SI != 0 && !t.Space.CopyOut(c, uintptr(f.SI), ptrTo(&old), unsafe.Sizeof(old)) {
		return c, errno(EFAULT)
	}
	return c, 0
}

// setAlt gives t an alternate stack, or none, unless the stack pointer lies on the present
// one.
func (t *Task) setAlt(sp uint64, ss *stackT) Errno {
	switch {
	case t.onAlt(sp):
		return EPERM
	case ss.flags == stackDisable:
		t.altLow, t.altSize = 0, 0
	case ss.flags != 0 && ss.flags != stackOn:
		return EINVAL
	case ss.size < minStack:
		return ENOMEM
	default:
		t.altLow, t.altSize = uintptr(ss.sp), uintptr(ss.size)
	}
	return 0
}
