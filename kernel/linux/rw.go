package linux

import (
	"muster/kernel/cpu"
	"muster/kernel/layout"
	"muster/kernel/percpu"
)

// mayHold reports whether bytes lie below the end of a program's addresses. Linux checks
// that alone before it looks whether there is something to read or write.
func (t *Task) mayHold(at uintptr, n uint64) bool {
	return !t.proc.user || n <= layout.UserEnd && at <= layout.UserEnd-uintptr(n)
}

func sysRead(c *percpu.CPU, t *Task, fr *cpu.Frame) (*percpu.CPU, uint64) {
	if !t.mayHold(uintptr(fr.SI), fr.DX) {
		return t.without(c, fr.DI, false, errno(EFAULT))
	}
	return read(c, t, fr.DI, &sink{bytesAt(uintptr(fr.SI), fr.DX)})
}

func sysReadv(c *percpu.CPU, t *Task, fr *cpu.Frame) (*percpu.CPU, uint64) {
	c, to, e := piecesAt(c, t, uintptr(fr.SI), uintArg(fr.DX))
	if e != 0 {
		return t.without(c, fr.DI, false, errno(e))
	}
	if to.left == 0 {
		return t.without(c, fr.DI, false, 0)
	}
	return read(c, t, fr.DI, &sink{to})
}

func read(c *percpu.CPU, t *Task, fd uint64, to *sink) (*percpu.CPU, uint64) {
	f := t.proc.files.get(c, fd)
	if f == nil {
		return c, errno(EBADF)
	}
	r := errno(EINVAL)
	switch f.kind {
	case kindConsole:
		r = 0 // the keyboard belongs to the shell: end of file
	case kindEvent:
		c, r = f.readEvent(c, t, to)
	case kindPipeRead:
		c, r = f.readPipe(c, t, to)
	case kindInput:
		c, r = f.readInput(c, t, to)
	case kindPipeWrite, kindOutput:
		r = errno(EBADF)
	}
	return f.put(c), r
}

func sysWrite(c *percpu.CPU, t *Task, fr *cpu.Frame) (*percpu.CPU, uint64) {
	if !t.mayHold(uintptr(fr.SI), fr.DX) {
		return t.without(c, fr.DI, true, errno(EFAULT))
	}
	from := bytesAt(uintptr(fr.SI), fr.DX)
	return write(c, t, fr.DI, &from)
}

func sysWritev(c *percpu.CPU, t *Task, fr *cpu.Frame) (*percpu.CPU, uint64) {
	c, from, e := piecesAt(c, t, uintptr(fr.SI), uintArg(fr.DX))
	if e != 0 {
		return t.without(c, fr.DI, true, errno(e))
	}
	if from.left == 0 {
		return t.without(c, fr.DI, true, 0)
	}
	return write(c, t, fr.DI, &from)
}

func write(c *percpu.CPU, t *Task, fd uint64, from *source) (*percpu.CPU, uint64) {
	f := t.proc.files.get(c, fd)
	if f == nil {
		return c, errno(EBADF)
	}
	r := errno(EINVAL)
	switch f.kind {
	case kindConsole, kindOutput:
		c, r = f.writeStream(c, t, from)
	case kindEvent:
		c, r = f.writeEvent(c, t, from)
	case kindPipeWrite:
		c, r = f.writePipe(c, t, from)
	case kindPipeRead, kindInput:
		r = errno(EBADF)
	}
	return f.put(c), r
}

// without answers a read or write that does not come to the file: one with a buffer or a
// vector that no program can have, or a vector without bytes. The result is r, unless the
// descriptor has no file, or the file is not open for the direction, or its kind has no
// such operation: as on Linux, these errors come first.
//
// Context: no lock held. Returns the CPU on which the task goes on.
func (t *Task) without(c *percpu.CPU, fd uint64, write bool, r uint64) (*percpu.CPU, uint64) {
	f := t.proc.files.get(c, fd)
	if f == nil {
		return c, errno(EBADF)
	}
	switch {
	case write && f.access() == oRdonly, !write && f.access() == oWronly:
		r = errno(EBADF)
	case f.kind == kindEpoll:
		r = errno(EINVAL)
	}
	return f.put(c), r
}
