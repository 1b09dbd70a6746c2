package linux

import (
	"unsafe"

	"muster/kernel/cpu"
	"muster/kernel/percpu"
)

// Words of struct stat.
const (
	statLinks   = 2
	statMode    = 3 // and the uid
	statDevice  = 5
	statBlock   = 7
	statWords   = 18
	modeChar    = 0o20620
	modePipe    = 0o10600
	modeNone    = 0o600 // an eventfd or an epoll has no type
	deviceTTYS0 = 4<<8 | 64
)

func sysFstat(c *percpu.CPU, t *Task, fr *cpu.Frame) (*percpu.CPU, uint64) {
	return statFile(c, t, fr.DI, uintptr(fr.SI))
}

// fileStatus is what stat tells about a file: its mode, its device, and the size of a block.
type fileStatus struct{ mode, device, block uint64 }

func (f *File) status() fileStatus {
	switch f.kind {
	case kindConsole:
		return fileStatus{modeChar, deviceTTYS0, 1024}
	case kindPipeRead, kindPipeWrite, kindInput, kindOutput:
		return fileStatus{modePipe, 0, 4096}
	}
	return fileStatus{modeNone, 0, 4096}
}

// statusOf returns the status of a descriptor's file; ok is false without one.
func (t *Task) statusOf(c *percpu.CPU, fd uint64) (_ *percpu.CPU, is fileStatus, ok bool) {
	f := t.proc.files.get(c, fd)
	if f == nil {
		return c, is, false
	}
	is = f.status()
	return f.put(c), is, true
}

// statFile stores the status of a file that has no name.
func statFile(c *percpu.CPU, t *Task, fd uint64, to uintptr) (*percpu.CPU, uint64) {
	c, is, ok := t.statusOf(c, fd)
	if !ok {
		return c, errno(EBADF)
	}
	st := [statWords]uint64{statLinks: 1, statMode: is.mode, statDevice: is.device, statBlock: is.block}
	if !t.Space.CopyOut(c, to, unsafe.Pointer(&st), unsafe.Sizeof(st)) {
		return c, errno(EFAULT)
	}
	return c, 0
}

// statx is Linux's struct statx.
type statx struct {
	mask, block         uint32
	attributes          uint64
	links, uid, gid     uint32
	mode, _             uint16
	inode, size, blocks uint64
	attributeMask       uint64
	times               [4][2]uint64
	major, minor        uint32 // of a device
	_                   [2]uint32
	_                   [14]uint64
}

var _ [256]byte = [unsafe.Sizeof(statx{})]byte{}

// statxBasic says that what stat tells is there.
const statxBasic = 0x7ff

// statxFile is statFile in the form of statx.
func statxFile(c *percpu.CPU, t *Task, fd uint64, to uintptr) (*percpu.CPU, uint64) {
	c, is, ok := t.statusOf(c, fd)
	if !ok {
		return c, errno(EBADF)
	}
	st := statx{mask: statxBasic, block: uint32(is.block), links: 1, mode: uint16(is.mode), major: uint32(is.device >> 8), minor: uint32(is.device & 0xff)}
	if !t.Space.CopyOut(c, to, unsafe.Pointer(&st), unsafe.Sizeof(st)) {
		return c, errno(EFAULT)
	}
	return c, 0
}

// sysLseek refuses to move in a stream. An eventfd or an epoll ignores it, as on Linux.
func sysLseek(c *percpu.CPU, t *Task, fr *cpu.Frame) (*percpu.CPU, uint64) {
	f := t.proc.files.get(c, fr.DI)
	if f == nil {
		return c, errno(EBADF)
	}
	r := errno(ESPIPE)
	switch {
	case uint32(fr.DX) > seekLast:
		r = errno(EINVAL)
	case f.kind == kindEvent || f.kind == kindEpoll:
		r = 0
	}
	return f.put(c), r
}

// seekLast is the largest third argument of lseek: SEEK_HOLE.
const seekLast = 4

// Requests of ioctl.
const (
	fionclex = 0x5450
	fioclex  = 0x5451
	fionbio  = 0x5421
	fionread = 0x541b
)

func sysIoctl(c *percpu.CPU, t *Task, fr *cpu.Frame) (*percpu.CPU, uint64) {
	f := t.proc.files.get(c, fr.DI)
	if f == nil {
		return c, errno(EBADF)
	}
	r := errno(ENOTTY)
	switch uint32(fr.SI) {
	case fioclex, fionclex:
		r = t.proc.files.setFlags(c, fr.DI, uint32(fr.SI) == fioclex)
	case fionbio:
		r = f.setNonblock(c, t, uintptr(fr.DX))
	case fionread:
		if f.pipe != nil {
			r = f.pipe.available(c, t, uintptr(fr.DX))
		}
	}
	return f.put(c), r
}

// setNonblock sets or clears O_NONBLOCK as an int of the program says.
func (f *File) setNonblock(c *percpu.CPU, t *Task, p uintptr) uint64 {
	on, ok := t.Space.Load32(c, p)
	if !ok {
		return errno(EFAULT)
	}
	if on != 0 {
		f.flags.Or(oNonblock)
	} else {
		f.flags.And(^uint32(oNonblock))
	}
	return 0
}

// available stores how many bytes there are to read.
func (p *pipe) available(c *percpu.CPU, t *Task, to uintptr) uint64 {
	p.mu.Lock(c)
	n := p.ring.bytes
	p.mu.Unlock(c)
	if !t.Space.Store32(c, to, n) {
		return errno(EFAULT)
	}
	return 0
}
