package linux

import (
	"unsafe"

	"muster/kernel/abi"
	"muster/kernel/cpu"
	"muster/kernel/layout"
	"muster/kernel/mem"
	"muster/kernel/percpu"
	"muster/kernel/sched"
)

// Private calls about threads and programs. A program is made by the kernel's
// own Go code: it parses the file, and these calls make a process, map and fill
// its memory, and start it.

// ThreadInfo stores the state of the thread with the lowest id from id on, and returns that id.
//
// Locks: takes tasks.mu.
func ThreadInfo(c *percpu.CPU, t *Task, id uint32, info uintptr) (*percpu.CPU, uint64) {
	var out abi.Thread
	tasks.mu.Lock(c)
	n := tasks.tree.AtLeast(uint64(id))
	if n != nil {
		o := taskOfNode(n)
		out = abi.Thread{ID: o.ID, Process: o.proc.ID, CPU: o.CPU(), RanNS: uint64(o.ThreadTime()),
			Switches: o.Switches.Load(), StackUsed: o.StackUsed()}
		cpu.Move16(unsafe.Pointer(&out.Name), unsafe.Pointer(&o.Name))
		out.Class, out.Priority = o.Class()
		out.WaitedNS, out.SleptNS = abi.Unknown, abi.Unknown
		if waited, slept, ok := o.Spans(); ok {
			out.WaitedNS, out.SleptNS = uint64(waited), uint64(slept)
		}
		if o.IsBound() {
			out.Bound = 1
		}
		if o.proc.user {
			out.Ring = 3
		}
		for i, b := range []byte(o.StateName()) {
			out.State[i] = b
		}
	}
	tasks.mu.Unlock(c)
	if n == nil {
		return c, errno(ESRCH)
	}
	if !t.Space.CopyOut(c, info, unsafe.Pointer(&out), unsafe.Sizeof(out)) {
		return c, errno(EFAULT)
	}
	return c, uint64(out.ID)
}

// ThreadCPUs stores the CPUs on which the thread with an id may run, online or not.
//
// Locks: takes tasks.mu for another task.
func ThreadCPUs(c *percpu.CPU, t *Task, id uint32, to uintptr) (*percpu.CPU, uint64) {
	var set sched.SetWords
	if !t.affinityOf(c, int32(id), &set) {
		return c, errno(ESRCH)
	}
	if !t.Space.CopyOut(c, to, unsafe.Pointer(&set), unsafe.Sizeof(set)) {
		return c, errno(EFAULT)
	}
	return c, 0
}

var _ [unsafe.Sizeof(abi.CPUSet{})]byte = [unsafe.Sizeof(sched.SetWords{})]byte{}

// processOf returns the process of a handle, which is its address. The kernel's own
// code must not use a handle after WaitProcess.
func processOf(handle uintptr) *Process { return (*Process)(unsafe.Pointer(handle)) }

// MakeProcess makes an empty process with the name of n bytes at text and a terminal, and
// returns its handle.
func MakeProcess(c *percpu.CPU, t *Task, text uintptr, n uint64, terminal int) (*percpu.CPU, uint64) {
	if terminal < 0 || terminal >= len(terminals) {
		return c, errno(EINVAL)
	}
	var name [15]byte
	n = min(n, uint64(len(name)))
	if !t.Space.CopyIn(c, unsafe.Pointer(&name), text, uintptr(n)) {
		return c, errno(EFAULT)
	}
	p := NewProcess(c, name[:n], terminal)
	if p == nil {
		return c, errno(ENOMEM)
	}
	return c, uint64(uintptr(unsafe.Pointer(p)))
}

// MapProcess makes an area of a process, with rights PROT_*.
func MapProcess(c *percpu.CPU, _ *Task, process uintptr, addr, bytes uint64, prot int) (*percpu.CPU, uint64) {
	p := processOf(process)
	s := p.Space
	start, end, ok := pageRange(addr, bytes)
	if !ok || !s.Available(c, start, end) {
		return c, errno(EINVAL)
	}
	if !s.Insert(c, start, end, rights(uint64(prot))) {
		return c, errno(ENOMEM)
	}
	if end < p.mapBase { // a segment of the file
		p.brkStart = max(p.brkStart, end)
		p.brk = p.brkStart
	}
	return c, 0
}

// WriteProcess copies n bytes at data to an address of a process, with or without
// the right to write there. It goes through the direct map, a page at a time, so it
// does not change the address space. At most a page is copied; the result is the
// number of bytes.
func WriteProcess(c *percpu.CPU, t *Task, process uintptr, to uint64, data uintptr, bytes uint64) (*percpu.CPU, uint64) {
	s := processOf(process).Space
	addr := uintptr(to)
	n := min(uintptr(bytes), layout.PageSize-addr&pageMask)
	if _, lent := s.Lent(c, addr); lent {
		return c, errno(EFAULT)
	}
	page, out := s.Page(c, addr)
	switch out {
	case mem.Resolved:
	case mem.Exhausted:
		return c, errno(ENOMEM)
	default:
		return c, errno(EFAULT)
	}
	if !t.Space.CopyIn(c, unsafe.Pointer(mem.Direct(page)+addr&pageMask), data, n) {
		return c, errno(EFAULT)
	}
	return c, uint64(n)
}

// canonicalUser reports whether an address is one that ring 3 can have.
func canonicalUser(addr uint64) bool { return addr < 1<<47 }

// StartProcess starts the first thread of a process, with the abi.Standing at from, and returns its id. If that
// fails, the process is as before.
//
// Context: no lock held.
func StartProcess(c *percpu.CPU, t *Task, process uintptr, ip, sp uint64, from uintptr) (*percpu.CPU, uint64) {
	p := processOf(process)
	var standing abi.Standing
	if !t.Space.CopyIn(c, unsafe.Pointer(&standing), from, unsafe.Sizeof(standing)) {
		return c, errno(EFAULT)
	}
	if !canonicalUser(ip) || !canonicalUser(sp) {
		return c, errno(EINVAL)
	}
	first := newTask(c, p)
	if first == nil {
		return c, errno(ENOMEM)
	}
	f := first.Frame()
	f.IP, f.SP = ip, sp
	f.CS, f.SS, f.Flags = cpu.UserCS, cpu.UserSS, cpu.FlagFixed|cpu.FlagInterrupt
	if e := first.stand(c, &standing); e != 0 {
		Reap(c, uintptr(unsafe.Pointer(first)))
		return c, errno(e)
	}
	c, _ = first.publish(c) // nothing ends a process without tasks
	id := first.ID
	p.enlist(c)
	enterForeground(c, p)
	first.start(c, c.ID)
	return c, uint64(id)
}

// stand gives a new task its standing: EINVAL if none of its CPUs is online, or there is no such policy; ENOMEM.
//
// Context: nothing can find t.
func (t *Task) stand(c *percpu.CPU, s *abi.Standing) (e Errno) {
	if !isPolicy(s.Policy, s.Priority) {
		return EINVAL
	}
	t.SetNice(s.Nice)
	t.setPolicy(c, s.Policy, s.Priority)
	if s.Bound == 0 {
		return 0
	}
	set := (*sched.SetWords)(&s.CPUs)
	if !anyOnline(set) {
		return EINVAL
	}
	block, ok := newBlock(c)
	if !ok {
		return ENOMEM
	}
	if !t.Bind(c, set, block) {
		freeBlock(c, block)
	}
	return 0
}

// SetThreadCPUs sets the CPUs on which a thread of a program may run. When it returns, no other CPU runs the thread
// outside the core, or leaveLimit is over.
//
// Context: no lock held. Returns the CPU on which t goes on.
// Locks: takes tasks.mu.
func SetThreadCPUs(c *percpu.CPU, t *Task, id uint32, from uintptr) (*percpu.CPU, uint64) {
	var set sched.SetWords
	if !t.Space.CopyIn(c, unsafe.Pointer(&set), from, unsafe.Sizeof(set)) {
		return c, errno(EFAULT)
	}
	block, ok := newBlock(c)
	if !ok {
		return c, errno(ENOMEM)
	}
	used, e := bindProgram(c, id, &set, block)
	if !used {
		freeBlock(c, block)
	}
	if e != 0 {
		return c, errno(e)
	}
	return t.awaitMove(c, int32(id)), 0
}

// bindProgram is SetThreadCPUs without the wait.
//
// Locks: takes tasks.mu.
func bindProgram(c *percpu.CPU, id uint32, set *sched.SetWords, block uintptr) (used bool, e Errno) {
	tasks.mu.Lock(c)
	x, e := findProgram(c, id)
	switch {
	case e != 0:
	case !anyOnline(set):
		e = EINVAL
	default:
		used = x.Bind(c, set, block)
	}
	tasks.mu.Unlock(c)
	return used, e
}

// findProgram returns a thread of a program. ESRCH: there is none; EPERM: it is the kernel's own, whose threads come first and run
// on all CPUs.
//
// Locks: tasks.mu held.
func findProgram(c *percpu.CPU, id uint32) (x *Task, e Errno) {
	tasks.mu.AssertHeld(c)
	switch x = findTask(c, id); {
	case x == nil:
		return nil, ESRCH
	case !x.proc.user:
		return nil, EPERM
	}
	return x, 0
}

// SetThreadNice sets the nice value of a thread of a program, or the nearest one that there is.
//
// Locks: takes tasks.mu.
func SetThreadNice(c *percpu.CPU, _ *Task, id uint32, nice int) (*percpu.CPU, uint64) {
	tasks.mu.Lock(c)
	x, e := findProgram(c, id)
	if e == 0 {
		x.SetNice(int32(nice))
	}
	tasks.mu.Unlock(c)
	return c, errno(e)
}

// SetThreadPolicy sets the policy of a thread of a program.
//
// Locks: takes tasks.mu.
func SetThreadPolicy(c *percpu.CPU, _ *Task, id, policy uint32, priority int) (*percpu.CPU, uint64) {
	if priority != int(int32(priority)) || !isPolicy(policy, int32(priority)) {
		return c, errno(EINVAL)
	}
	tasks.mu.Lock(c)
	x, e := findProgram(c, id)
	if e == 0 {
		x.setPolicy(c, policy, int32(priority))
	}
	tasks.mu.Unlock(c)
	return c, errno(e)
}

// DropProcess frees a process that was not started.
func DropProcess(c *percpu.CPU, _ *Task, process uintptr) (*percpu.CPU, uint64) {
	p := processOf(process)
	if p.ID != 0 {
		return c, errno(EBUSY)
	}
	c = p.finish(c)
	p.put(c)
	return c, 0
}

// WaitProcess waits for the end of a process, frees it and returns its status.
func WaitProcess(c *percpu.CPU, t *Task, process uintptr) (*percpu.CPU, uint64) {
	return processOf(process).waitFor(c, t)
}
