package linux

import (
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
	fSetpipeSz    = 1031
	fGetpipeSz    = 1032

	fdCloexec = 1
)

func sysClose(c *percpu.CPU, t *Task, fr *cpu.Frame) (*percpu.CPU, uint64) {
	f := t.proc.files.remove(c, fr.DI)
	if f == nil {
		return c, errno(EBADF)
	}
	return f.put(c), 0
}

func sysFcntl(c *percpu.CPU, t *Task, fr *cpu.Frame) (*percpu.CPU, uint64) {
	ft := &t.proc.files
	f := ft.get(c, fr.DI)
	if f == nil {
		return c, errno(EBADF)
	}
	r := errno(EINVAL)
	switch uint32(fr.SI) {
	case fDupfd, fDupfdCloexec:
		if from := uintArg(fr.DX); from < maxFiles {
			fd, e := ft.install(c, f, cpu.Index(from, maxFiles), uint32(fr.SI) == fDupfdCloexec)
			if e == 0 {
				return c, fd // with the reference of get
			}
			r = errno(e)
		}
	case fGetfd:
		r = ft.getFlags(fr.DI)
	case fSetfd:
		r = ft.setFlags(c, fr.DI, fr.DX&fdCloexec != 0)
	case fGetfl:
		r = f.access() | uint64(f.flags.Load())
	case fSetfl:
		if flags := uint32(fr.DX); flags&(oDirect|oAsync) == 0 {
			f.flags.Store(flags & (oNonblock | oAppend))
			r = 0
		}
	case fSetpipeSz, fGetpipeSz:
		c, r = f.pipeSize(c, t, uint32(fr.SI) == fSetpipeSz, fr.DX)
	}
	return f.put(c), r
}

// access returns for what a file is open, as fcntl reports it.
func (f *File) access() uint64 {
	switch f.kind {
	case kindPipeRead, kindInput:
		return oRdonly
	case kindPipeWrite, kindOutput:
		return oWronly
	}
	return oRdwr
}

func sysDup(c *percpu.CPU, t *Task, fr *cpu.Frame) (*percpu.CPU, uint64) {
	f := t.proc.files.get(c, fr.DI)
	if f == nil {
		return c, errno(EBADF)
	}
	return t.open(c, f, false)
}

func sysDup2(c *percpu.CPU, t *Task, fr *cpu.Frame) (*percpu.CPU, uint64) {
	if uint32(fr.DI) == uint32(fr.SI) {
		if !t.hasFile(fr.DI) {
			return c, errno(EBADF)
		}
		return c, uintArg(fr.SI)
	}
	return dupTo(c, t, fr.DI, uintArg(fr.SI), false)
}

func sysDup3(c *percpu.CPU, t *Task, fr *cpu.Frame) (*percpu.CPU, uint64) {
	if uint32(fr.DI) == uint32(fr.SI) || uint32(fr.DX)&^oCloexec != 0 {
		return c, errno(EINVAL)
	}
	return dupTo(c, t, fr.DI, uintArg(fr.SI), fr.DX&oCloexec != 0)
}

// dupTo gives the file of a descriptor another one, and closes what was there.
func dupTo(c *percpu.CPU, t *Task, from, to uint64, cloexec bool) (*percpu.CPU, uint64) {
	if to >= maxFiles {
		return c, errno(EBADF)
	}
	to = cpu.Index(to, maxFiles)
	f := t.proc.files.get(c, from)
	if f == nil {
		return c, errno(EBADF)
	}
	old, e := t.proc.files.replace(c, to, f, cloexec)
	if e != 0 {
		return f.put(c), errno(e)
	}
	if old != nil {
		c = old.put(c)
	}
	return c, to
}

func (t *Task) hasFile(fd uint64) bool {
	return t.proc.files.peek(fd).file() != nil
}

func sysNotDir(c *percpu.CPU, t *Task, fr *cpu.Frame) (*percpu.CPU, uint64) {
	if !t.hasFile(fr.DI) {
		return c, errno(EBADF)
	}
	return c, errno(ENOTDIR)
}

// socketType is the bits of a socket's type that are not flags.
const socketType = 0xf

// sysSocket answers that no family of sockets exists.
func sysSocket(c *percpu.CPU, _ *Task, fr *cpu.Frame) (*percpu.CPU, uint64) {
	kind := uint32(fr.SI)
	if kind&^(socketType|oNonblock|oCloexec) != 0 {
		return c, errno(EINVAL)
	}
	return c, errno(EAFNOSUPPORT)
}

// sysSocketpair stores two words before it looks at the family, so that a bad address is
// EFAULT first, as on Linux.
func sysSocketpair(c *percpu.CPU, t *Task, fr *cpu.Frame) (*percpu.CPU, uint64) {
	c, r := sysSocket(c, t, fr)
	if r == errno(EAFNOSUPPORT) && !t.Space.Store64(c, uintptr(fr.R10), 0) {
		r = errno(EFAULT)
	}
	return c, r
}
