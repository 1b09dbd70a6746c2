// Package linux answers the system calls of Go programs, for the kernel's own
// runtime in ring 0 and for programs in ring 3 alike: memory, threads, futexes,
// signals, clocks, and the few files there are.
//
// Layer: core.
// Context: interrupts off, on the calling thread's kernel stack. A handler that
// blocks returns the CPU on which the thread goes on.
// Locks: programs.mu, Process.mu, tasks.mu, timerPart.mu, timer.mu, pendingSet.mu, a futex bucket, File.mu, epoll.mu, taken in
// this order; lock/ranks.go has all. A task holds none while the core brings in a page for it.
// References and lists follow the two rules of package refs.
// Manual: the Linux manual pages, section 2, and $GOROOT/src/runtime/os_linux.go.
// Chapter: docs/10-system-calls.md.
// Left out: files by name, sockets, fork and exec.
package linux

import (
	"unsafe"

	"muster/kernel/atom"
	"muster/kernel/cpu"
	"muster/kernel/list"
	"muster/kernel/lock"
	"muster/kernel/mem"
	"muster/kernel/percpu"
	"muster/kernel/sched"
	"muster/kernel/tree"
)

// Task is a thread with its Linux state.
type Task struct {
	sched.Thread // first, so that the scheduler's pointer is the task's
	_            [(64 - unsafe.Sizeof(sched.Thread{})%64) % 64]byte
	xstate       xstate // vector state for a signal frame or from one; 64-byte aligned

	proc   *Process
	idNode tree.Node // in tasks, Key is the id
	member tree.Node // in proc.tasks, Key is the id; guarded by proc.mu

	mask     atom.Uint64 // blocked signals; stored by the task alone
	shown    atom.Uint64 // the mask as proc.tasks has it, which may block less; stored under proc.mu
	takes    uint64      // in proc.tasks: signals that some task of the subtree does not block; guarded by proc.mu
	lazy     bool        // setMask need not bring shown up to date; one of proc.lazies; stored by the task under proc.mu
	awaited  uint64      // signals that rt_sigtimedwait waits for; stored by the task under pending.mu
	pending  pendingSet  // signals sent to this task
	value    uint64      // of the signal that is being delivered; used by the task alone
	saved    uint64      // the mask to return to, while rt_sigsuspend, ppoll or the like has set another
	suspends bool        // saved counts
	altLow   uintptr     // alternate signal stack; used by the task alone
	altSize  uintptr
	trapped  trapped // used by the task alone
	again    restart // the system call that a signal interrupted; used by the task alone
	partly   bool    // a call that says ENOMEM has taken areas away; used by the task alone
	held     int     // bytes of kernel memory that proc.held lacks, at most heldBatch; used by the task alone
	refusals uint64  // of memory, when the task last repeated a call for them; used by the task alone
	clearTID uintptr // word that becomes 0 when the task ends, 0 for none; used by the task alone

	queue     *futexQueue  // nil while it is lent to a bucket, guarded by the bucket's lock
	waits     bool         // no waker has taken the task; guarded by the bucket's lock
	futexAddr uintptr      // of the task that is alone in a bucket, guarded by its lock
	inQueue   *futexQueue  // that the task waits in, nil if it is alone; guarded by the bucket's lock
	bucket    atom.Uintptr // *futexBucket that the task waits in, stored under its lock; 0 while the task is moved
	taken     atom.Uint32  // 1: a waker has taken the task, and does not touch it any more; 0 before it waits
	wakers    uint32       // bits of wakers that wake it; guarded by the bucket's lock
	passes    bool         // in waits as the mark of a waker; guarded by the bucket's lock

	policy atom.Uint32 // schedOther to schedIdle, and schedResetOnFork; stored under tasks.mu

	clock cpuClock // timers on the task's own CPU time, guarded by proc.mu
}

var _ [0]byte = [unsafe.Offsetof(Task{}.xstate) % 64]byte{}

// Bits of Thread.Work.
const (
	workSignal = 1 << 0           // signals may be pending
	workExit   = 1 << 1           // the process ends
	workTimer  = sched.WorkTimer  // timers on CPU time may be due
	workSettle = sched.WorkSettle // the set of CPUs, or the policy, has changed
)

func current(c *percpu.CPU) *Task { return (*Task)(unsafe.Pointer(c.Current)) }

func taskOf(t *sched.Thread) *Task { return (*Task)(unsafe.Pointer(t)) }

// thread returns the scheduler's part of t.
func (t *Task) thread() *sched.Thread { return &t.Thread }

// tasks is every task by id, for signals and listings. Ids are not used again
// until they wrap at 2^30.
var tasks struct {
	mu   lock.Spin
	tree tree.Tree
	last uint32
	n    uint32
}

var taskCache = mem.Cache{Name: "task"}

func taskOfNode(n *tree.Node) *Task {
	return (*Task)(unsafe.Add(unsafe.Pointer(n), -int(unsafe.Offsetof(Task{}.idNode))))
}

// waiter returns the task of a node in a list of waiters.
func waiter(n *list.Node) *Task { return taskOf(sched.Waiter(n)) }

// memberTask returns the task of a node in Process.tasks, nil for nil.
func memberTask(n *tree.Node) *Task {
	if n == nil {
		return nil
	}
	return (*Task)(unsafe.Add(unsafe.Pointer(n), -int(unsafe.Offsetof(Task{}.member))))
}

// newTask makes a task of p that no list has and nothing can find. Its frame is
// zero. nil means that memory is exhausted.
func newTask(c *percpu.CPU, p *Process) *Task {
	if !p.mayGrow(c) {
		return nil
	}
	t := (*Task)(taskCache.Alloc(c))
	if t == nil {
		return nil
	}
	t.queue = newFutexQueue(c)
	low, top, ok := sched.AllocStack(c)
	if !ok || t.queue == nil {
		if ok {
			sched.FreeStack(c, low)
		}
		t.free(c)
		return nil
	}
	class := sched.ClassKernel
	if p.user {
		class = sched.ClassUser
	}
	t.proc = p
	t.Thread.Init(low, top, 0, class, p.Space)
	t.Group = &p.usage
	t.SetName(&p.name)
	t.clock.usage, t.clock.task = &t.Used, t
	t.pending.init()
	*t.Frame() = cpu.Frame{}
	return t
}

// free gives back the memory of a task, all but its stack.
func (t *Task) free(c *percpu.CPU) {
	if t.queue != nil {
		futexQueueCache.Free(c, unsafe.Pointer(t.queue))
	}
	freeBlock(c, t.Block())
	taskCache.Free(c, unsafe.Pointer(t))
}

// publish gives a complete task its id, and makes it one of p's tasks: from here on
// searches and signals find it. It reports false when p is ending. The task does not
// run before start.
//
// Context: no lock held. Returns the CPU on which the caller goes on.
// Locks: takes p.mu, and tasks.mu inside it.
func (t *Task) publish(c *percpu.CPU) (_ *percpu.CPU, ok bool) {
	p := t.proc
	for {
		p.mu.Lock(c)
		if p.exiting.Load() != 0 {
			p.mu.Unlock(c)
			return c, false
		}
		tasks.mu.Lock(c)
		if ok = t.takeID(c); ok {
			if p.ID == 0 {
				p.ID = t.ID
			}
			tasks.tree.Insert(&t.idNode)
			tasks.n++
		}
		tasks.mu.Unlock(c)
		if ok {
			p.add(c, t)
		}
		p.mu.Unlock(c)
		if ok {
			return c, true
		}
		c = sched.Breathe(c)
	}
}

// idTries is the number of ids that takeID looks at: there are long runs of ids in
// use when a program has many threads.
const idTries = 64

// takeID gives t the next id that no task has. It reports false if there was none
// among the next few; then the caller tries again.
//
// Locks: tasks.mu held.
func (t *Task) takeID(c *percpu.CPU) bool {
	tasks.mu.AssertHeld(c)
	for range idTries {
		tasks.last = tasks.last%(1<<30) + 1
		if n := tasks.tree.AtLeast(uint64(tasks.last)); n == nil || n.Key != uint64(tasks.last) {
			t.ID = tasks.last
			t.idNode.Key, t.member.Key = uint64(t.ID), uint64(t.ID)
			return true
		}
	}
	return false
}

// withdraw takes t out of everything by which it can be found: no search finds it
// any more, and no signal. last says that t was the last task of its process; rest,
// that timers still refer to t, and that t counts until dropTimers.
//
// Locks: takes tasks.mu, then p.mu.
func (t *Task) withdraw(c *percpu.CPU) (last, rest bool) {
	tasks.mu.Lock(c)
	tasks.tree.Remove(&t.idNode)
	tasks.n--
	tasks.mu.Unlock(c)
	p := t.proc
	t.settleHeld()
	p.mu.Lock(c)
	p.tasks.Remove(&t.member)
	p.seen.hide(t)
	p.retarget(c, ^t.mask.Load())
	if t.lazy {
		p.lazies--
	}
	rest = t.pending.close(c)
	rest = rest || t.clock.timers.First() != nil
	if !rest {
		p.count--
		last = p.count == 0
	}
	p.mu.Unlock(c)
	return last, rest
}

// findTask returns the task with an id, nil if there is no such task.
//
// Locks: tasks.mu held; the task is not freed meanwhile.
func findTask(c *percpu.CPU, id uint32) *Task {
	tasks.mu.AssertHeld(c)
	if n := tasks.tree.AtLeast(uint64(id)); n != nil && n.Key == uint64(id) {
		return taskOfNode(n)
	}
	return nil
}

// Reap frees a task that has exited and left its stack, or that was never
// published.
func Reap(c *percpu.CPU, thread uintptr) {
	t := (*Task)(unsafe.Pointer(thread))
	awaitReaders(c, thread)
	sched.FreeStack(c, t.StackLow)
	t.free(c)
}

// interrupted reports whether a wait must end early: a signal to deliver, or the end.
func (t *Task) interrupted() bool {
	w := t.Work.Load()
	return w != 0 && (w&workExit != 0 || (t.pending.bits.Load()|t.proc.pending.bits.Load())&^t.mask.Load() != 0)
}

// poke makes a task check its Work soon: the task ends its wait, or enters the
// core.
//
// Context: t is one of the tasks of its process, whose lock the caller has, or the CPU names t: so t cannot be freed.
func poke(c *percpu.CPU, t *Task) {
	t.assertStays(c)
	sched.Unpark(c, t.thread())
	if to := percpu.Get(t.CPU()); to != c && to.Current == uintptr(unsafe.Pointer(t)) {
		sched.Kick(c, to)
	}
}

// start makes a new task run.
func (t *Task) start(c *percpu.CPU, cpu uint32) {
	sched.Start(c, t.thread(), cpu)
}
