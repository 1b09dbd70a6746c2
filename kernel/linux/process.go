package linux

import (
	"unsafe"

	"muster/kernel/atom"
	"muster/kernel/clock"
	"muster/kernel/console"
	"muster/kernel/cpu"
	"muster/kernel/layout"
	"muster/kernel/list"
	"muster/kernel/lock"
	"muster/kernel/mem"
	"muster/kernel/percpu"
	"muster/kernel/refs"
	"muster/kernel/sched"
	"muster/kernel/trace"
	"muster/kernel/tree"
)

// Process is a program: an address space and the tasks in it. Process 1 is the
// kernel's own Go code, in ring 0, with the same system calls.
type Process struct {
	maps mapLock // held while areas change; not while pages alone do. First: a program is a page, so the parts are cache lines

	mu    lock.Spin
	ID    uint32
	Space *mem.Space
	user  bool
	name  [16]byte

	mapBase uintptr // where mmap without an address starts to search
	// The data area of brk: where it begins, 0 for none, and its end; guarded by brkMu.
	brkStart, brk uintptr
	brkMu         sched.Mutex // before the parts of maps

	tasks   tree.Tree // by id; a subtree knows what its tasks block; guarded by mu
	seen    seenTasks
	poked   uint64 // ids up to here have been poked since p began to exit; guarded by mu
	count   int    // tasks that have not ended, guarded by mu
	lazies  int    // tasks with lazy, at most lazyTasks; guarded by mu
	actions actionTable
	pending pendingSet // signals sent to the process; any task may take them
	futexes *futexTable
	files   fileTable
	usage   sched.Usage // of all its tasks, ended ones too
	timers  timerTable

	program list.Node   // in programs, guarded by its lock
	held    atom.Uint64 // bytes of kernel memory that charge counted, but what Task.held keeps back

	foreground list.Node // in the foreground programs, guarded by their lock

	refs    refs.Count  // its handle's one, and one for each timer
	exiting atom.Uint32 // 1: every task is to end; stored under mu
	unpoked atom.Uint32 // 1: some tasks may not know that yet; stored under mu
	status  uint32      // guarded by mu
	done    atom.Uint32 // 1: the last task has gone, and the memory is freed
	waiters waitList    // tasks that wait for done, guarded by mu
}

// A program fits into a page, or this does not compile.
var _ [layout.PageSize - unsafe.Sizeof(Process{})]byte

var (
	processCache = mem.Cache{Name: "process"}
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
	programs.mu.Rank = lock.RankPrograms
	taskCache.Init(unsafe.Sizeof(Task{}))
	processCache.Init(unsafe.Sizeof(Process{}))
	initAffinity()
	initFutexes()
	initFiles()
	initTimers()
	initForeground()
	kernelProc.init(&mem.Kernel, false)
	kernelProc.futexes = &kernelFutexes
	kernelFutexes.init()
	kernelProc.ID = 1
	copy(kernelProc.name[:], "kernel")
	kernelProc.files.init(c, false, 0)
}

func (p *Process) init(s *mem.Space, user bool) {
	p.mu.Rank = lock.RankProcess
	p.maps.init()
	p.brkMu.Init()
	p.tasks.Refresh = refreshOpen
	p.pending.init()
	p.usage.Init()
	p.timers.init(&p.usage)
	p.refs.Init()
	p.Space, p.user = s, user
	if user {
		p.mapBase = mapBaseUser
	}
}

// mayGrow reports whether the kernel may allocate for p: programs must not use the
// reserve.
func (p *Process) mayGrow(c *percpu.CPU) bool { return !p.user || mem.Plenty(c) }

// NewProcess makes an empty program for ring 3 with a terminal, or 0 for the whole console; nil when
// memory is exhausted.
func NewProcess(c *percpu.CPU, name []byte, terminal int) *Process {
	p := (*Process)(processCache.Alloc(c))
	if p == nil {
		return nil
	}
	s := mem.NewSpace(c)
	p.futexes = newFutexTable(c)
	p.init(s, true)
	if s == nil || p.futexes == nil || !p.files.init(c, true, terminal) {
		if s != nil {
			s.Free(c)
		}
		p.free(c)
		return nil
	}
	for i := range min(len(name), len(p.name)-1) { // copy would use vector registers
		p.name[i] = name[i]
	}
	return p
}

// put gives up a reference to p, and frees the memory of p's own with the last one.
func (p *Process) put(c *percpu.CPU) {
	if p.refs.Put(c) {
		p.free(c)
	}
}

func (p *Process) free(c *percpu.CPU) {
	if p.futexes != nil {
		futexTableCache.Free(c, unsafe.Pointer(p.futexes))
	}
	freeProcess(c, p)
}

// add makes a complete task one of p's. If a signal waits for a task that does not
// block it, this is one.
//
// Locks: p.mu held.
func (p *Process) add(c *percpu.CPU, t *Task) {
	p.mu.AssertHeld(c)
	t.shown.Store(t.mask.Load())
	p.tasks.Insert(&t.member)
	p.seen.show(t)
	p.count++
	if p.pending.bits.Load()&^t.mask.Load() != 0 {
		t.Work.Or(workSignal)
	}
}

// find returns the task of p with an id, nil if p has no such task.
//
// Locks: p.mu held; the task is not freed meanwhile.
func (p *Process) find(c *percpu.CPU, id uint32) *Task {
	p.mu.AssertHeld(c)
	if n := p.tasks.AtLeast(uint64(id)); n != nil && n.Key == uint64(id) {
		return memberTask(n)
	}
	return nil
}

// end makes every task of p exit. The first status is the process's. If the current
// task is one of p's, it exits before it leaves the core, whether its turn to be poked
// has come or not.
//
// Locks: takes p.mu.
func (p *Process) end(c *percpu.CPU, status uint32) {
	p.mu.Lock(c)
	first := p.exiting.Load() == 0
	if first {
		p.status = status
		p.exiting.Store(1)
		p.unpoked.Store(1)
		p.tasks.Refresh = nil // no signal is sent any more, and so tasks leave the tree faster
	}
	p.mu.Unlock(c)
	if t := current(c); t != nil && t.proc == p {
		t.Work.Or(workExit)
	}
	if first {
		p.spread(c)
	}
}

// pokeBatch is the number of tasks that are poked in one step.
const pokeBatch = 16

// spread makes some more tasks of an ending process exit. Each that exits calls it
// again, so all exit, and no CPU is busy for long, however many tasks there are.
//
// Locks: takes p.mu.
func (p *Process) spread(c *percpu.CPU) {
	p.mu.Lock(c)
	n := p.tasks.AtLeast(p.poked + 1)
	for i := 0; i < pokeBatch && n != nil; i++ {
		t := memberTask(n)
		p.poked = n.Key
		n = n.Next()
		t.Work.Or(workExit)
		poke(c, t)
	}
	if n == nil {
		p.unpoked.Store(0)
	}
	p.mu.Unlock(c)
}

// exitTask ends the current task, and with the last one the process. It does not
// return.
func exitTask(c *percpu.CPU, t *Task) {
	c = sched.Breathe(c) // many tasks may end one after the other
	p := t.proc
	trace.Add(c, trace.Exit, uint64(t.ID), uint64(p.exiting.Load()))
	c = t.clearWord(c)
	if p.unpoked.Load() != 0 {
		p.spread(c)
	}
	// From here on this task needs no program's memory. This is recorded before
	// withdraw, because the last task may then free the space: this CPU must leave
	// it on request. And the process counts no time of this task any more.
	sched.LeaveGroup(c)
	t.Space = &mem.Kernel
	c.BeLazy()
	cpu.ClearSelectors()            // a switch does so for a thread of a program, which t is no more
	cpu.LoadMXCSR(cpu.MXCSRDefault) // as above
	sched.Exit(t.leave(c))
}

// leave takes t out of its process, and ends the process with the last task.
//
// Context: t needs no memory of a program any more. Returns the CPU on which t goes on.
func (t *Task) leave(c *percpu.CPU) *percpu.CPU {
	last, rest := t.withdraw(c)
	if rest {
		c, last = t.dropTimers(c)
	}
	if last {
		c = t.proc.finish(c)
	}
	return c
}

// clearWord sets the word that set_tid_address or clone named to 0, and wakes a task
// that waits for it, if the process lives on.
func (t *Task) clearWord(c *percpu.CPU) *percpu.CPU {
	addr := t.clearTID
	if addr == 0 || t.proc.exiting.Load() != 0 || !t.Space.Store32(c, addr, 0) || addr&3 != 0 {
		return c
	}
	c, _ = wakeFutex(c, t, addr, 1, futexMatchAny)
	return c
}

// finish frees the resources of a process. The caller needs none of them: it is the
// last task, on the kernel's own space, or the kernel itself.
func (p *Process) finish(c *percpu.CPU) *percpu.CPU {
	c = p.deleteTimers(c)
	sched.EndGroup(c, &p.usage)
	c = p.files.closeAll(c)
	c = p.maps.lock(c, allParts)      // no other task is left to hold it
	c, _ = p.unmap(c, 0, ^uintptr(0)) // whole areas, so nothing is split
	p.maps.unlock(c, allParts)
	p.Space.Detach(c)
	p.delist(c)
	freeSpace(c, p.Space)
	p.mu.Lock(c)
	p.done.Store(1)
	p.waiters.wakeAll(c)
	p.mu.Unlock(c)
	return c
}

// waitFor waits for the end of a program, gives its handle up and returns its status. A signal
// to the waiting task ends the wait: -EINTR.
func (p *Process) waitFor(c *percpu.CPU, t *Task) (*percpu.CPU, uint64) {
	p.mu.Lock(c)
	for p.done.Load() == 0 && !t.interrupted() {
		c, _ = p.waiters.wait(c, t, &p.mu, clock.Never)
	}
	done, status := p.done.Load() != 0, p.status
	p.mu.Unlock(c)
	if !done {
		return c, errno(EINTR)
	}
	leaveForeground(c, p)
	p.put(c)
	return c, uint64(status)
}

// report prints on the console which signal ends a program: where an exception was, or
// the process that sent the signal.
func (p *Process) report(c *percpu.CPU, t *Task, in info, ip uint64) {
	var l console.Line
	l.Str("process ").Dec(uint64(p.ID)).Str(" (").Str(nameText(&p.name)).Str("), thread ").Dec(uint64(t.ID)).Str(": ")
	if text := signalText(in.sig); text != "" {
		l.Str(text)
	} else {
		l.Str("signal ").Dec(in.sig)
	}
	switch {
	case in.code > 0:
		l.Str(" at ").Hex(in.addr)
	case in.code == codeUser || in.code == codeTkill:
		l.Str(", sent by process ").Dec(uint64(uint32(in.addr)))
	}
	console.Warn(c, l.Str(", ip ").Hex(ip).Str(", ended"))
}

// nameText returns the text of a zero-terminated name.
func nameText(name *[16]byte) string {
	n := 0
	for n < len(name) && name[n] != 0 {
		n++
	}
	return unsafe.String(&name[0], n)
}
