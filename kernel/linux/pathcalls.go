package linux

import (
	"unsafe"

	"muster/kernel/cpu"
	"muster/kernel/layout"
	"muster/kernel/percpu"
	"muster/kernel/sched"
)

// Flags of calls whose names end in "at" (Linux, include/uapi/linux/fcntl.h).
const (
	atNoFollow    = 0x100
	atEffective   = 0x200 // of faccessat2
	atRemoveDir   = 0x200 // of unlinkat
	atNoAutomount = 0x800
	atEmptyPath   = 0x1000 // an empty name stands for the descriptor itself
	atStatxSync   = 0x6000
	atKnown       = atNoFollow | atNoAutomount | atEmptyPath | atStatxSync
)

// Bits of other arguments: the modes of access, those of statx's mask, and those that the
// flags, the mode and resolve of struct open_how may have on Linux
// (include/uapi/linux/openat2.h, include/linux/fcntl.h: VALID_OPEN_FLAGS).
const (
	accessModes   = 7
	statxReserved = 1 << 31

	openHowBytes  = 24 // its first size
	openHowKnown  = 0x7fffc3
	permissions   = 0o7777
	resolveKnown  = 0x3f
	oCreat        = 0x40
	openTemporary = 0x400000 // O_TMPFILE, only with the next
	oDirectory    = 0x10000
)

// sysNoFile answers calls whose first argument names a file.
func sysNoFile(c *percpu.CPU, t *Task, fr *cpu.Frame) (*percpu.CPU, uint64) {
	return c, t.absent(c, currentDir, uintptr(fr.DI))
}

// sysRenameat answers by what it would rename. The new name counts only if the directory of
// the old one exists.
func sysRenameat(c *percpu.CPU, t *Task, fr *cpu.Frame) (*percpu.CPU, uint64) {
	old, e := t.lookup(c, fr.DI, uintptr(fr.SI))
	if c = sched.Breathe(c); e == 0 && old.parts <= 1 {
		_, e = t.lookup(c, fr.DX, uintptr(fr.R10))
	}
	if e == 0 {
		e = ENOENT
	}
	return c, errno(e)
}

func sysOpen(c *percpu.CPU, t *Task, fr *cpu.Frame) (*percpu.CPU, uint64) {
	return c, t.openName(c, currentDir, uintptr(fr.DI), fr.SI)
}

func sysOpenat(c *percpu.CPU, t *Task, fr *cpu.Frame) (*percpu.CPU, uint64) {
	return c, t.openName(c, fr.DI, uintptr(fr.SI), fr.DX)
}

func (t *Task) openName(c *percpu.CPU, dir uint64, at uintptr, flags uint64) uint64 {
	if flags&oCreat != 0 {
		return t.notMade(c, dir, at)
	}
	return t.absent(c, dir, at)
}

// sysOpenat2 has flags, mode and resolve in a structure, in which what Linux does not know
// is an error.
func sysOpenat2(c *percpu.CPU, t *Task, fr *cpu.Frame) (*percpu.CPU, uint64) {
	size := uintptr(fr.R10)
	switch {
	case size < openHowBytes:
		return c, errno(EINVAL)
	case size > layout.PageSize:
		return c, errno(E2BIG)
	}
	var how struct{ flags, mode, resolve uint64 }
	if !t.Space.CopyIn(c, unsafe.Pointer(&how), uintptr(fr.DX), openHowBytes) {
		return c, errno(EFAULT)
	}
	if e := t.zeroFrom(c, uintptr(fr.DX)+openHowBytes, uintptr(fr.DX)+size); e != 0 {
		return c, errno(e)
	}
	makes := how.flags&(oCreat|openTemporary) != 0
	if how.flags&(openTemporary|oDirectory) == openTemporary {
		return c, errno(EINVAL)
	}
	if how.flags&^openHowKnown != 0 || how.resolve&^resolveKnown != 0 || how.mode&^permissions != 0 || how.mode != 0 && !makes {
		return c, errno(EINVAL)
	}
	return c, t.openName(c, fr.DI, uintptr(fr.SI), how.flags)
}

func sysAccess(c *percpu.CPU, t *Task, fr *cpu.Frame) (*percpu.CPU, uint64) {
	return c, t.access(c, currentDir, uintptr(fr.DI), fr.SI, 0)
}

func sysFaccessat(c *percpu.CPU, t *Task, fr *cpu.Frame) (*percpu.CPU, uint64) {
	return c, t.access(c, fr.DI, uintptr(fr.SI), fr.DX, 0)
}

func sysFaccessat2(c *percpu.CPU, t *Task, fr *cpu.Frame) (*percpu.CPU, uint64) {
	return c, t.access(c, fr.DI, uintptr(fr.SI), fr.DX, uint32(fr.R10))
}

func (t *Task) access(c *percpu.CPU, dir uint64, at uintptr, mode uint64, flags uint32) uint64 {
	if uint32(mode)&^accessModes != 0 || flags&^(atNoFollow|atEffective|atEmptyPath) != 0 {
		return errno(EINVAL)
	}
	if fd, e := t.isDescriptor(c, dir, at, flags); fd || e != 0 {
		return errno(e)
	}
	return t.absent(c, dir, at)
}

func sysReadlink(c *percpu.CPU, t *Task, fr *cpu.Frame) (*percpu.CPU, uint64) {
	return c, t.readlink(c, currentDir, uintptr(fr.DI), fr.DX)
}

func sysReadlinkat(c *percpu.CPU, t *Task, fr *cpu.Frame) (*percpu.CPU, uint64) {
	return c, t.readlink(c, fr.DI, uintptr(fr.SI), fr.R10)
}

func (t *Task) readlink(c *percpu.CPU, dir uint64, at uintptr, size uint64) uint64 {
	if int32(size) <= 0 {
		return errno(EINVAL)
	}
	return t.absent(c, dir, at)
}

// sysNewfstatat is fstat if the name is empty and flags say so: the C library uses it so.
func sysNewfstatat(c *percpu.CPU, t *Task, fr *cpu.Frame) (*percpu.CPU, uint64) {
	flags := uint32(fr.R10)
	fd, e := t.isDescriptor(c, fr.DI, uintptr(fr.SI), flags)
	switch {
	case e != 0:
		return c, errno(e)
	case flags&^atKnown != 0:
		return c, errno(EINVAL)
	case fd:
		return statFile(c, t, fr.DI, uintptr(fr.DX))
	}
	return c, t.absent(c, fr.DI, uintptr(fr.SI))
}

func sysStatx(c *percpu.CPU, t *Task, fr *cpu.Frame) (*percpu.CPU, uint64) {
	flags, mask := uint32(fr.DX), uint32(fr.R10)
	if flags&^atKnown != 0 || flags&atStatxSync == atStatxSync || mask&statxReserved != 0 {
		return c, errno(EINVAL)
	}
	fd, e := t.isDescriptor(c, fr.DI, uintptr(fr.SI), flags)
	switch {
	case e != 0:
		return c, errno(e)
	case fd:
		return statxFile(c, t, fr.DI, uintptr(fr.R8))
	}
	return c, t.absent(c, fr.DI, uintptr(fr.SI))
}

func sysMkdir(c *percpu.CPU, t *Task, fr *cpu.Frame) (*percpu.CPU, uint64) {
	return c, t.notMade(c, currentDir, uintptr(fr.DI))
}

func sysMkdirat(c *percpu.CPU, t *Task, fr *cpu.Frame) (*percpu.CPU, uint64) {
	return c, t.notMade(c, fr.DI, uintptr(fr.SI))
}

// sysSymlink reads what the link would say first.
func sysSymlink(c *percpu.CPU, t *Task, fr *cpu.Frame) (*percpu.CPU, uint64) {
	if _, e := t.readName(c, uintptr(fr.DI)); e != 0 {
		return c, errno(e)
	}
	c = sched.Breathe(c)
	return c, t.notMade(c, currentDir, uintptr(fr.SI))
}

func sysUnlinkat(c *percpu.CPU, t *Task, fr *cpu.Frame) (*percpu.CPU, uint64) {
	if uint32(fr.DX)&^atRemoveDir != 0 {
		return c, errno(EINVAL)
	}
	return c, t.absent(c, fr.DI, uintptr(fr.SI))
}
