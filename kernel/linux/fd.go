package linux

import (
	"unsafe"

	"muster/kernel/cpu"
	"muster/kernel/percpu"
)

// Commands of fcntl.
const (
	fDupfd        = 0
	fGetfd        = 1
	fSetfd        = 2
	fGetfl        = 3
	fSetfl        = 4
	fDupfdCloexec = 1030
)

func sysFcntl(c *percpu.CPU, t *Task, fr *cpu.Frame) (*percpu.CPU, uint64) {
	f := t.proc.files.get(c, fr.DI)
	if f == nil {
		return c, errno(EBADF)
	}
	r := errno(EINVAL)
	switch fr.SI {
	case fDupfd, fDupfdCloexec:
		if fr.DX < maxFiles {
			if fd, ok := t.proc.files.install(c, f, fr.DX); ok {
				return c, fd // with the reference of get
			}
			r = errno(EMFILE)
		}
	case fGetfd:
		r = fdCloexec // there is no exec
	case fSetfd:
		r = 0
	case fGetfl:
		r = oRdwr | uint64(f.flags.Load())
	case fSetfl:
		if f.kind != kindConsole { // all three descriptors share it
			f.flags.Store(uint32(fr.DX) & oNonblock)
		}
		r = 0
	}
	f.put(c)
	return c, r
}

func sysDup(c *percpu.CPU, t *Task, fr *cpu.Frame) (*percpu.CPU, uint64) {
	f := t.proc.files.get(c, fr.DI)
	if f == nil {
		return c, errno(EBADF)
	}
	return c, t.open(c, f)
}

func sysDup3(c *percpu.CPU, t *Task, fr *cpu.Frame) (*percpu.CPU, uint64) {
	if fr.DI == fr.SI || fr.DX&^oCloexec != 0 {
		return c, errno(EINVAL)
	}
	if fr.SI >= maxFiles {
		return c, errno(EBADF)
	}
	ft := &t.proc.files
	f := ft.get(c, fr.DI)
	if f == nil {
		return c, errno(EBADF)
	}
	ft.mu.Lock(c)
	old := ft.slots[fr.SI]
	ft.slots[fr.SI] = f
	ft.mu.Unlock(c)
	if old != nil {
		old.put(c)
	}
	return c, fr.SI
}

// sysFstat returns the status of the only kind of file that has one: a character
// device.
func sysFstat(c *percpu.CPU, t *Task, fr *cpu.Frame) (*percpu.CPU, uint64) {
	f := t.proc.files.get(c, fr.DI)
	if f == nil {
		return c, errno(EBADF)
	}
	f.put(c)
	var st [18]uint64 // struct stat
	st[2] = 1         // links
	st[3] = 0o20620   // mode and uid: character device
	st[5] = 4<<8 | 64 // rdev: ttyS0
	st[7] = 1024      // blksize
	if !t.Space.CopyOut(c, uintptr(fr.SI), unsafe.Pointer(&st), unsafe.Sizeof(st)) {
		return c, errno(EFAULT)
	}
	return c, 0
}

func (t *Task) hasFile(c *percpu.CPU, fd uint64) bool {
	f := t.proc.files.get(c, fd)
	if f != nil {
		f.put(c)
	}
	return f != nil
}

func sysLseek(c *percpu.CPU, t *Task, fr *cpu.Frame) (*percpu.CPU, uint64) {
	if !t.hasFile(c, fr.DI) {
		return c, errno(EBADF)
	}
	return c, errno(ESPIPE)
}

func sysIoctl(c *percpu.CPU, t *Task, fr *cpu.Frame) (*percpu.CPU, uint64) {
	if !t.hasFile(c, fr.DI) {
		return c, errno(EBADF)
	}
	return c, errno(ENOTTY)
}

func sysNotDir(c *percpu.CPU, t *Task, fr *cpu.Frame) (*percpu.CPU, uint64) {
	if !t.hasFile(c, fr.DI) {
		return c, errno(EBADF)
	}
	return c, errno(ENOTDIR)
}

// sysNoFile answers calls that name a file: there are no files.
func sysNoFile(c *percpu.CPU, _ *Task, _ *cpu.Frame) (*percpu.CPU, uint64) {
	return c, errno(ENOENT)
}

// sysReadOnly answers calls that would make a file.
func sysReadOnly(c *percpu.CPU, _ *Task, _ *cpu.Frame) (*percpu.CPU, uint64) {
	return c, errno(EROFS)
}

func sysSocket(c *percpu.CPU, _ *Task, _ *cpu.Frame) (*percpu.CPU, uint64) {
	return c, errno(EAFNOSUPPORT)
}
