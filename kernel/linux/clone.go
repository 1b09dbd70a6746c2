package linux

import (
	"unsafe"

	"muster/kernel/cpu"
	"muster/kernel/layout"
	"muster/kernel/percpu"
	"muster/kernel/sched"
	"muster/kernel/trap"
)

// Flags of clone (Linux, include/uapi/linux/sched.h).
const (
	cloneSignal        = 0xff // the signal of a child's end: a thread sends none
	cloneVM            = 0x100
	cloneFS            = 0x200
	cloneFiles         = 0x400
	cloneSighand       = 0x800
	clonePidfd         = 0x1000
	clonePtrace        = 0x2000
	cloneParent        = 0x8000
	cloneThread        = 0x10000
	cloneSysvsem       = 0x40000
	cloneSettls        = 0x80000
	cloneParentSettid  = 0x100000
	cloneChildCleartid = 0x200000
	cloneDetached      = 0x400000
	cloneUntraced      = 0x800000
	cloneChildSettid   = 0x1000000
	cloneIO            = 0x80000000

	// A thread shares memory, handlers and files with its maker.
	cloneNeeded = cloneVM | cloneSighand | cloneThread | cloneFiles

	// Flags that change nothing for a thread here: there is no directory and no
	// semaphore to share or not, no tracer and no I/O context; a thread has the parent
	// of its maker.
	cloneIdle = cloneFS | cloneSysvsem | clonePtrace | cloneParent | cloneDetached | cloneUntraced | cloneIO

	cloneKnown = cloneNeeded | cloneIdle | cloneSettls | cloneParentSettid | cloneChildSettid | cloneChildCleartid
)

// cloneArgs is what clone and clone3 say, in clone3's form.
type cloneArgs struct {
	flags, pidfd, childTID, parentTID uint64
	signal, stack, stackSize, tls     uint64
	setTID, setTIDSize, cgroup        uint64
}

// Sizes of cloneArgs: the first that Linux had, and ours.
const (
	cloneArgsFirst = 64
	cloneArgsBytes = unsafe.Sizeof(cloneArgs{})
)

func sysClone(c *percpu.CPU, t *Task, f *cpu.Frame) (*percpu.CPU, uint64) {
	a := cloneArgs{flags: f.DI & 0xffffff00, parentTID: f.DX, childTID: f.R10, stack: f.SI, tls: f.R8}
	return t.clone(c, f, &a)
}

// sysClone3 is clone with its arguments in a structure, which may be shorter or longer
// than ours: what is missing is 0, and what we do not know must be 0.
func sysClone3(c *percpu.CPU, t *Task, f *cpu.Frame) (*percpu.CPU, uint64) {
	size := uintptr(f.SI)
	switch {
	case size > layout.PageSize:
		return c, errno(E2BIG)
	case size < cloneArgsFirst:
		return c, errno(EINVAL)
	}
	var a cloneArgs
	if !t.Space.CopyIn(c, ptrTo(&a), uintptr(f.DI), min(size, cloneArgsBytes)) {
		return c, errno(EFAULT)
	}
	if e := t.zeroFrom(c, uintptr(f.DI)+cloneArgsBytes, uintptr(f.DI)+max(size, cloneArgsBytes)); e != 0 {
		return c, errno(e)
	}
	switch {
	case a.flags&(cloneSignal|cloneDetached) != 0, a.flags>>32 != 0,
		a.signal > lastSignal, a.signal != 0 && a.flags&(cloneThread|cloneParent) != 0,
		a.setTIDSize != 0, a.setTID != 0,
		(a.stack == 0) != (a.stackSize == 0),
		a.stack+a.stackSize < a.stack, a.stack+a.stackSize > layout.UserEnd && t.proc.user:
		return c, errno(EINVAL)
	}
	a.stack += a.stackSize
	return t.clone(c, f, &a)
}

// zeroFrom checks that the program's bytes of [from, end), at most a page, are 0.
func (t *Task) zeroFrom(c *percpu.CPU, from, end uintptr) Errno {
	var part [256]byte
	for from < end {
		n := min(end-from, uintptr(len(part)))
		if !t.Space.CopyIn(c, ptrTo(&part), from, n) {
			return EFAULT
		}
		for _, b := range part[:n] {
			if b != 0 {
				return E2BIG
			}
		}
		from += n
	}
	return 0
}

// validate returns the error of clone's flags, those that contradict each other first,
// as in Linux; then those that are not possible here: another process, or a thread that
// does not share what threads share here.
func (a *cloneArgs) validate(user bool) Errno {
	has := func(flags uint64) bool { return a.flags&flags == flags }
	switch {
	case has(cloneThread) && !has(cloneSighand), has(cloneSighand) && !has(cloneVM), has(cloneThread | clonePidfd):
		return EINVAL
	case !has(cloneNeeded), a.flags&^cloneKnown != 0:
		return ENOSYS
	case has(cloneSettls) && user && a.tls >= layout.UserEnd:
		return EPERM
	}
	return 0
}

// clone makes a thread of the same process. The new task is complete before it has an
// id; it runs when the words for the id are stored. As in Linux, a word that cannot
// be stored is no error.
func (t *Task) clone(c *percpu.CPU, f *cpu.Frame, a *cloneArgs) (*percpu.CPU, uint64) {
	if e := a.validate(t.proc.user); e != 0 {
		return c, errno(e)
	}
	child := newTask(c, t.proc)
	if child == nil {
		return c, errno(ENOMEM)
	}
	cf := child.Frame()
	*cf = *f
	cf.SetByCall()
	cf.AX = 0
	if a.stack != 0 {
		cf.SP = a.stack
	}
	child.UserFS, child.UserGS = c.UserFS, 0
	if t.proc.user {
		child.UserGS = cpu.UserGSBase()
		child.FirstState = uintptr(unsafe.Pointer(&child.xstate))
		trap.SaveLive(f, child.FirstState)
	}
	if a.flags&cloneSettls != 0 {
		child.UserFS = uintptr(a.tls)
	}
	if a.flags&cloneChildCleartid != 0 {
		child.clearTID = uintptr(a.childTID)
	}
	child.mask.Store(t.mask.Load())
	child.SetName(&t.Name)
	t.inheritStanding(c, child)
	if !t.inheritSet(c, child) {
		Reap(c, uintptr(unsafe.Pointer(child)))
		return c, errno(EAGAIN)
	}
	c, ok := child.publish(c)
	if !ok {
		Reap(c, uintptr(unsafe.Pointer(child)))
		return c, errno(EAGAIN)
	}
	id := child.ID
	if a.flags&cloneParentSettid != 0 {
		t.Space.Store32(c, uintptr(a.parentTID), id)
	}
	if a.flags&cloneChildSettid != 0 {
		t.Space.Store32(c, uintptr(a.childTID), id)
	}
	child.start(c, c.ID)
	return c, uint64(id)
}

// sysExit ends the task. If it is the process's first task, its status is the
// process's, unless the process ends by another way.
func sysExit(c *percpu.CPU, t *Task, f *cpu.Frame) (*percpu.CPU, uint64) {
	p := t.proc
	p.mu.Lock(c)
	if t.ID == p.ID && p.exiting.Load() == 0 {
		p.status = uint32(f.DI) & 0xff
	}
	p.mu.Unlock(c)
	exitTask(c, t)
	return c, 0
}

// sysExitGroup ends the process.
func sysExitGroup(c *percpu.CPU, t *Task, f *cpu.Frame) (*percpu.CPU, uint64) {
	if !t.proc.user {
		kernelExit(c, f)
	}
	t.proc.end(c, uint32(f.DI)&0xff)
	return sched.Breathe(c), 0 // sched.Leave sees workExit
}
