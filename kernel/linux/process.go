package linux

import (
	"unsafe"

	"muster/kernel/atom"
	"muster/kernel/clock"
	"muster/kernel/console"
	"muster/kernel/list"
	"muster/kernel/lock"
	"muster/kernel/mem"
	"muster/kernel/percpu"
	"muster/kernel/sched"
	"muster/kernel/trace"
)

// Process is a program: an address space and the tasks in it. Process 1 is the
// kernel's own Go code, in ring 0, with the same system calls.
type Process struct {
	mu    lock.Spin
	ID    uint32
	Space *mem.Space
	user  bool
	name  [16]byte

	mapMu   sched.Mutex // held while areas change
	mapBase uintptr     // where mmap without an address starts to search

	tasks   list.List  // guarded by mu
	unpoked *list.Node // of tasks, the first that was not yet poked after p began to exit; guarded by mu
	count   int        // tasks, guarded by mu
	actions [65]action
	files   fileTable

	exiting atom.Uint32 // 1: every task is to end
	status  atom.Uint32
	done    atom.Uint32 // 1: the last task has gone, and the memory is freed
	waiters waitList    // tasks that wait for done, guarded by mu
}

var (
	processCache mem.Cache
	kernelProc   Process
)

// mapBaseUser is above the addresses that Go requests for its heap and below the
// stack.
const mapBaseUser = 0x7e0000000000

// Init prepares the system-call layer and process 1.
//
// Context: boot CPU, after mem.InitSpaces and sched.InitStacks.
func Init(c *percpu.CPU) {
	tasks.mu.Rank = lock.RankTasks
	taskCache.Init(unsafe.Sizeof(Task{}))
	processCache.Init(unsafe.Sizeof(Process{}))
	initFutexes()
	initFiles()
	kernelProc.init(&mem.Kernel, false)
	kernelProc.ID = 1
	copy(kernelProc.name[:], "kernel")
	kernelProc.files.init(c)
}

func (p *Process) init(s *mem.Space, user bool) {
	p.mu.Rank = lock.RankProcess
	p.mapMu.Init()
	p.Space, p.user = s, user
	if user {
		p.mapBase = mapBaseUser
	}
}

// mayGrow reports whether the kernel may allocate for p: programs must not use the
// reserve.
func (p *Process) mayGrow(c *percpu.CPU) bool { return !p.user || mem.Plenty(c) }

// NewProcess makes an empty program for ring 3, nil when memory is exhausted.
func NewProcess(c *percpu.CPU, name []byte) *Process {
	p := (*Process)(processCache.Alloc(c))
	if p == nil {
		return nil
	}
	s := mem.NewSpace(c)
	if s == nil {
		processCache.Free(c, unsafe.Pointer(p))
		return nil
	}
	p.init(s, true)
	copy(p.name[:len(p.name)-1], name)
	if !p.files.init(c) {
		s.Free(c)
		processCache.Free(c, unsafe.Pointer(p))
		return nil
	}
	return p
}

// add makes t one of p's tasks. It reports false when p is ending.
func (p *Process) add(c *percpu.CPU, t *Task) bool {
	p.mu.Lock(c)
	ok := p.exiting.Load() == 0
	if ok {
		p.tasks.Push(&t.member)
		p.count++
	}
	p.mu.Unlock(c)
	return ok
}

// remove takes t out and reports whether it was the last task.
func (p *Process) remove(c *percpu.CPU, t *Task) (last bool) {
	p.mu.Lock(c)
	if p.unpoked == &t.member {
		p.unpoked = p.tasks.Next(&t.member)
	}
	p.tasks.Remove(&t.member)
	p.count--
	last = p.count == 0
	p.mu.Unlock(c)
	return last
}

// end makes every task of p exit. The first status is the process's.
//
// Locks: takes p.mu.
func (p *Process) end(c *percpu.CPU, status uint32) {
	if !p.exiting.CompareAndSwap(0, 1) {
		return
	}
	p.status.Store(status)
	p.mu.Lock(c)
	p.unpoked = p.tasks.First()
	p.mu.Unlock(c)
	p.spread(c)
}

// pokeBatch is the number of tasks that are poked in one step.
const pokeBatch = 64

// spread makes some more tasks of an ending process exit. Each that exits calls it
// again, so all exit, and no CPU is busy for long, however many tasks there are.
//
// Locks: takes p.mu.
func (p *Process) spread(c *percpu.CPU) {
	p.mu.Lock(c)
	for n := 0; n < pokeBatch && p.unpoked != nil; n++ {
		t := memberTask(p.unpoked)
		p.unpoked = p.tasks.Next(p.unpoked)
		t.Work.Or(workExit)
		poke(c, t)
	}
	p.mu.Unlock(c)
}

// exitTask ends the current task, and with the last one the process.
func exitTask(c *percpu.CPU, t *Task) {
	c = sched.Breathe(c) // many tasks may end one after the other
	p := t.proc
	trace.Add(c, trace.Exit, uint64(t.ID), uint64(p.status.Load()))
	forget(c, t)
	if p.exiting.Load() != 0 {
		p.spread(c)
	}
	// From here on this task needs no program's memory. This is recorded before
	// remove, because the last task may then free the space: this CPU must leave it
	// on request.
	t.Space = &mem.Kernel
	c.Lazy = 1
	if p.remove(c, t) {
		c = p.finish(c)
	}
	sched.Exit(c)
}

// finish frees the resources of a process. The caller needs none of them: it is the
// last task, on the kernel's own space, or the kernel itself.
func (p *Process) finish(c *percpu.CPU) *percpu.CPU {
	c = p.files.closeAll(c)
	c = p.mapMu.Lock(c) // no other task is left to hold it
	c = p.unmap(c, 0, ^uintptr(0))
	p.mapMu.Unlock(c)
	s := p.Space
	s.Detach(c)
	for s.FreeTables(c) {
		c = sched.Breathe(c)
	}
	s.Free(c)
	p.mu.Lock(c)
	p.done.Store(1)
	p.waiters.wakeAll(c)
	p.mu.Unlock(c)
	return c
}

// waitFor waits for the end of a program, frees it and returns its status. A signal
// to the waiting task ends the wait: -EINTR.
func (p *Process) waitFor(c *percpu.CPU, t *Task) (*percpu.CPU, uint64) {
	p.mu.Lock(c)
	for p.done.Load() == 0 && !t.interrupted() {
		c, _ = p.waiters.wait(c, t, &p.mu, clock.Never)
	}
	done := p.done.Load() != 0
	p.mu.Unlock(c)
	if !done {
		return c, errno(EINTR)
	}
	status := p.status.Load()
	processCache.Free(c, unsafe.Pointer(p))
	return c, uint64(status)
}

// report prints on the console why a program ends.
func (p *Process) report(c *percpu.CPU, t *Task, what string, addr, ip uint64) {
	var l console.Line
	l.Str("process ").Dec(uint64(p.ID)).Str(" (").Str(nameText(&p.name)).Str("), thread ").Dec(uint64(t.ID)).
		Str(": ").Str(what).Str(" at ").Hex(addr).Str(", ip ").Hex(ip).Str(", ended")
	console.Warn(c, &l)
}

// nameText returns the text of a zero-terminated name.
func nameText(name *[16]byte) string {
	n := 0
	for n < len(name) && name[n] != 0 {
		n++
	}
	return unsafe.String(&name[0], n)
}
