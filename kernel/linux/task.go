// Package linux answers the system calls of Go programs, for the kernel's own
// runtime in ring 0 and for programs in ring 3 alike: memory, threads, futexes,
// signals, clocks, and the few files there are.
//
// Layer: core.
// Context: interrupts off, on the calling thread's kernel stack. A handler that
// blocks returns the CPU on which the thread goes on.
// Locks: Process.mu > tasks.mu > futex buckets > File.mu > epoll; see lock/ranks.go.
// Manual: the Linux manual pages, section 2, and $GOROOT/src/runtime/os_linux.go.
// Chapter: docs/10-system-calls.md.
// Left out: files by name, sockets, several programs at once from ring 3, timers
// that send signals.
package linux

import (
	"unsafe"

	"muster/kernel/atom"
	"muster/kernel/cpu"
	"muster/kernel/ipi"
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
	xstate       [stateBytes]byte // vector state that rt_sigreturn restores; 64-byte aligned

	proc   *Process
	idNode tree.Node // in tasks, Key is the id
	member list.Node // in proc.tasks, guarded by proc.mu

	mask    uint64      // blocked signals; used by the task alone
	pending atom.Uint64 // signals sent to the task
	senders atom.Uint64 // of them, those that tgkill sent: bit as in pending
	altLow  uintptr     // alternate signal stack; used by the task alone
	altSize uintptr

	futexSpace *mem.Space // while Wait is in a futex bucket, guarded by its lock
	futexAddr  uintptr
}

// stateBytes is room for an XSAVE area with x87, SSE and AVX: 832 bytes.
const stateBytes = 896

var _ [0]byte = [unsafe.Offsetof(Task{}.xstate) % 64]byte{}

// Bits of Thread.Work.
const (
	workSignal = 1 << 0 // signals may be pending
	workExit   = 1 << 1 // the process ends
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

var taskCache mem.Cache

func taskOfNode(n *tree.Node) *Task {
	return (*Task)(unsafe.Add(unsafe.Pointer(n), -int(unsafe.Offsetof(Task{}.idNode))))
}

// waiter returns the task of a node in a list of waiters.
func waiter(n *list.Node) *Task { return taskOf(sched.Waiter(n)) }

// memberTask returns the task of a node in Process.tasks, nil for nil.
func memberTask(n *list.Node) *Task {
	if n == nil {
		return nil
	}
	return (*Task)(unsafe.Add(unsafe.Pointer(n), -int(unsafe.Offsetof(Task{}.member))))
}

// newTask makes a task of p that does not run yet. Its frame is zero. nil means
// that memory is exhausted.
func newTask(c *percpu.CPU, p *Process) *Task {
	if !p.mayGrow(c) {
		return nil
	}
	t := (*Task)(taskCache.Alloc(c))
	if t == nil {
		return nil
	}
	low, top, ok := sched.AllocStack(c)
	if !ok {
		taskCache.Free(c, unsafe.Pointer(t))
		return nil
	}
	class := sched.ClassKernel
	if p.user {
		class = sched.ClassUser
	}
	t.proc = p
	t.Thread.Init(low, top, 0, class, p.Space)
	t.Name = p.name
	*t.Frame() = cpu.Frame{}
	tasks.mu.Lock(c)
	t.ID = freeID(c)
	t.idNode.Key = uint64(t.ID)
	tasks.tree.Insert(&t.idNode)
	tasks.n++
	tasks.mu.Unlock(c)
	return t
}

// freeID returns the next id that no task has.
//
// Locks: tasks.mu held.
func freeID(c *percpu.CPU) uint32 {
	tasks.mu.AssertHeld(c)
	for {
		tasks.last = tasks.last%(1<<30) + 1
		if n := tasks.tree.AtLeast(uint64(tasks.last)); n == nil || n.Key != uint64(tasks.last) {
			return tasks.last
		}
	}
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

// forget takes t out of the tree: no search finds it any more.
func forget(c *percpu.CPU, t *Task) {
	tasks.mu.Lock(c)
	tasks.tree.Remove(&t.idNode)
	tasks.n--
	tasks.mu.Unlock(c)
}

// Reap frees a task that has exited and left its stack.
func Reap(c *percpu.CPU, thread uintptr) {
	t := (*Task)(unsafe.Pointer(thread))
	sched.FreeStack(c, t.StackLow)
	taskCache.Free(c, unsafe.Pointer(t))
}

// interrupted reports whether a wait must end early: a signal to deliver, or the end.
func (t *Task) interrupted() bool {
	return t.Work.Load() != 0 && (t.Work.Load()&workExit != 0 || t.pending.Load()&^t.mask != 0)
}

// poke makes a task check its Work soon: the task ends its wait, or enters the
// core.
//
// Locks: tasks.mu or t.proc.mu held; so the task cannot be freed.
func poke(c *percpu.CPU, t *Task) {
	lock.AssertEither(c, &tasks.mu, &t.proc.mu)
	sched.Unpark(c, t.thread())
	if to := percpu.Get(t.CPU()); to != c && to.Current == uintptr(unsafe.Pointer(t)) {
		ipi.Send(c, to, ipi.Reschedule)
	}
}

// start makes a new task run.
func (t *Task) start(c *percpu.CPU, cpu uint32) {
	sched.Start(c, t.thread(), cpu)
}
