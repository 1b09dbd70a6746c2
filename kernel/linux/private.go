package linux

import (
	"unsafe"

	"muster/kernel/abi"
	"muster/kernel/cpu"
	"muster/kernel/layout"
	"muster/kernel/mem"
	"muster/kernel/percpu"
)

// Private calls about threads and programs. A program is made by the kernel's
// own Go code: it parses the file, and these calls make a process, map and fill
// its memory, and start it.

// ThreadInfo tells of the thread with the lowest id from DI on.
func ThreadInfo(c *percpu.CPU, t *Task, f *cpu.Frame) (*percpu.CPU, uint64) {
	var out abi.Thread
	tasks.mu.Lock(c)
	n := tasks.tree.AtLeast(f.DI)
	if n != nil {
		o := taskOfNode(n)
		out = abi.Thread{ID: o.ID, Process: o.proc.ID, CPU: o.CPU(), RanNS: uint64(o.runTime()),
			Switches: o.Switches.Load(), StackUsed: o.StackUsed(), Name: o.Name}
		if o.proc.user {
			out.Ring = 3
		}
		copy(out.State[:], o.StateName())
	}
	tasks.mu.Unlock(c)
	if n == nil {
		return c, errno(ESRCH)
	}
	if !t.Space.CopyOut(c, uintptr(f.SI), unsafe.Pointer(&out), unsafe.Sizeof(out)) {
		return c, errno(EFAULT)
	}
	return c, uint64(out.ID)
}

// processOf returns the process of a handle: its address is one.
// The kernel's own code is trusted not to use a handle after WaitProcess.
func processOf(handle uint64) *Process { return (*Process)(unsafe.Pointer(uintptr(handle))) }

// MakeProcess makes an empty process with the name at DI, SI bytes long.
func MakeProcess(c *percpu.CPU, t *Task, f *cpu.Frame) (*percpu.CPU, uint64) {
	var name [15]byte
	n := min(f.SI, uint64(len(name)))
	if !t.Space.CopyIn(c, unsafe.Pointer(&name), uintptr(f.DI), uintptr(n)) {
		return c, errno(EFAULT)
	}
	p := NewProcess(c, name[:n])
	if p == nil {
		return c, errno(ENOMEM)
	}
	return c, uint64(uintptr(unsafe.Pointer(p)))
}

// MapProcess makes an area in process DI at SI, DX bytes long, with rights R10.
func MapProcess(c *percpu.CPU, t *Task, f *cpu.Frame) (*percpu.CPU, uint64) {
	s := processOf(f.DI).Space
	start, end, ok := pageRange(f.SI, f.DX)
	if !ok || !s.Available(c, start, end) {
		return c, errno(EINVAL)
	}
	if !s.Insert(c, start, end, rights(f.R10)) {
		return c, errno(ENOMEM)
	}
	return c, 0
}

// WriteProcess copies R10 bytes at DX to address SI of process DI, whose rights
// do not matter. It goes through the direct map, a page at a time, so it needs
// no change of the address space. At most a page is copied; the result says how much.
func WriteProcess(c *percpu.CPU, t *Task, f *cpu.Frame) (*percpu.CPU, uint64) {
	s := processOf(f.DI).Space
	addr := uintptr(f.SI)
	n := min(uintptr(f.R10), layout.PageSize-addr&pageMask)
	page, ok := s.Page(c, addr)
	if !ok {
		return c, errno(EFAULT)
	}
	if !t.Space.CopyIn(c, unsafe.Pointer(mem.Direct(page)+addr&pageMask), uintptr(f.DX), n) {
		return c, errno(EFAULT)
	}
	return c, uint64(n)
}

// StartProcess starts the first thread of process DI at instruction SI with stack DX.
func StartProcess(c *percpu.CPU, t *Task, f *cpu.Frame) (*percpu.CPU, uint64) {
	p := processOf(f.DI)
	if !canonicalUser(f.SI) || !canonicalUser(f.DX) {
		return c, errno(EINVAL)
	}
	first := newTask(c, p)
	if first == nil {
		return c, errno(ENOMEM)
	}
	p.ID = first.ID
	p.add(c, first)
	ff := first.Frame()
	ff.IP, ff.SP = f.SI, f.DX
	ff.CS, ff.SS, ff.Flags = cpu.UserCS, cpu.UserSS, cpu.FlagFixed|cpu.FlagInterrupt
	first.start(c, c.ID)
	return c, uint64(first.ID)
}

// DropProcess frees process DI, which was not started.
func DropProcess(c *percpu.CPU, t *Task, f *cpu.Frame) (*percpu.CPU, uint64) {
	p := processOf(f.DI)
	if p.ID != 0 {
		return c, errno(EBUSY)
	}
	c = p.finish(c)
	processCache.Free(c, unsafe.Pointer(p))
	return c, 0
}

// WaitProcess waits for the end of process DI, frees it and returns its status.
func WaitProcess(c *percpu.CPU, t *Task, f *cpu.Frame) (*percpu.CPU, uint64) {
	return processOf(f.DI).waitFor(c, t)
}

// KillProcess sends signal SI to process DI.
func KillProcess(c *percpu.CPU, t *Task, f *cpu.Frame) (*percpu.CPU, uint64) {
	if f.SI == 0 || f.SI > lastSignal {
		return c, errno(EINVAL)
	}
	processOf(f.DI).signal(c, nil, f.SI)
	return c, 0
}
