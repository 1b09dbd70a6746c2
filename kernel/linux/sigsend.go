package linux

import (
	"math/bits"
	"unsafe"

	"muster/kernel/cpu"
	"muster/kernel/percpu"
	"muster/kernel/trace"
	"muster/kernel/tree"
)

// A signal is sent to a task, or to a process: then it is pending there until a task
// takes it, any task that does not block it. So it does not end with a task, and if
// all tasks block it, it waits for the first that does not.

// takeSignal takes the lowest pending signal of a set, the task's own first. To deliver
// it, a is set to its action.
//
// Locks: takes p.mu.
func (t *Task) takeSignal(c *percpu.CPU, set uint64, a *action) (in info, ok bool) {
	p := t.proc
	if (t.pending.bits.Load()|p.pending.bits.Load())&set == 0 {
		return in, false
	}
	p.mu.Lock(c)
	from := &t.pending
	ready := from.bits.Load() & set
	if ready == 0 {
		from = &p.pending
		ready = from.bits.Load() & set // another task may have taken what there was
	}
	if ok = ready != 0; ok {
		in, t.value = from.take(c, p, uint64(bits.TrailingZeros64(ready))+1)
		if a != nil {
			*a = p.reaction(c, in.sig)
		}
	}
	p.mu.Unlock(c)
	return in, ok
}

// send makes a signal pending for a task.
//
// Locks: t.proc.mu held; t is one of its tasks.
func send(c *percpu.CPU, t *Task, sig uint64, from sender) {
	t.proc.mu.AssertHeld(c)
	trace.Add(c, trace.Signal, sig, uint64(t.ID))
	if (t.mask.Load()|t.wants)&bit(sig) == 0 && t.proc.ignores(c, sig) {
		return
	}
	t.pending.add(sig, from) // before the look at the mask: see changeMask
	if t.mask.Load()&bit(sig) == 0 {
		t.wakeForSignal(c)
	}
}

// wakeForSignal makes a task look for signals.
//
// Locks: t.proc.mu held; t is one of its tasks.
func (t *Task) wakeForSignal(c *percpu.CPU) {
	t.proc.mu.AssertHeld(c)
	t.Work.Or(workSignal)
	poke(c, t)
}

// signal sends a signal to p. It wakes a task that does not block the signal, prefer
// if that is one.
//
// Locks: takes p.mu.
func (p *Process) signal(c *percpu.CPU, prefer *Task, sig uint64, from sender) {
	p.mu.Lock(c)
	trace.Add(c, trace.Signal, sig, uint64(p.ID))
	p.pending.add(sig, from) // before taker looks at masks: see setMask
	shows := takerShows
	if to := p.taker(c, prefer, sig, &shows); to != nil {
		if to.wants&bit(sig) == 0 && p.ignores(c, sig) {
			p.pending.drop(sig)
		} else {
			to.wakeForSignal(c)
		}
	}
	p.mu.Unlock(c)
}

// How many tasks that are in handlers, and block more than the tree of tasks shows, a
// critical section corrects at most: for one signal of a system call or for a change of
// one mask, and for one timer. Many timers may expire in one interrupt.
const (
	takerShows = 32
	timerShows = 2
)

// taker returns a task of p that does not block a signal, prefer if that is one, and nil
// if it finds none: then the first task that stops blocking the signal takes it. It
// corrects up to *shows tasks, and takes their number away. If more are in handlers, one
// of those takes the signal at its handler's end. Each try goes down one path of the tree.
//
// Locks: p.mu held.
func (p *Process) taker(c *percpu.CPU, prefer *Task, sig uint64, shows *int) *Task {
	p.mu.AssertHeld(c)
	if p.exiting.Load() != 0 {
		return nil // and the tree of tasks is not up to date
	}
	if prefer != nil && prefer.proc == p && prefer.mask.Load()&bit(sig) == 0 {
		return prefer
	}
	for {
		t := p.shownTaker(c, sig)
		if t == nil || t.mask.Load()&bit(sig) == 0 {
			return t
		}
		if *shows == 0 {
			return nil
		}
		*shows--
		t.show(c)
	}
}

// shownTaker returns a task that does not block a signal, as far as the tree of tasks
// shows; nil for none.
//
// Locks: p.mu held.
func (p *Process) shownTaker(c *percpu.CPU, sig uint64) *Task {
	p.mu.AssertHeld(c)
	n := p.tasks.Root
	if n == nil || memberTask(n).takes&bit(sig) == 0 {
		return nil
	}
	for {
		t := memberTask(n)
		switch {
		case t.shown.Load()&bit(sig) == 0:
			return t
		case n.Left != nil && memberTask(n.Left).takes&bit(sig) != 0:
			n = n.Left
		default:
			n = n.Right
		}
	}
}

// updateOpen recomputes which signals some task of a subtree takes.
func updateOpen(n *tree.Node) {
	t := memberTask(n)
	t.takes = ^t.shown.Load()
	if n.Left != nil {
		t.takes |= memberTask(n.Left).takes
	}
	if n.Right != nil {
		t.takes |= memberTask(n.Right).takes
	}
}

// retarget finds other tasks for those signals of a set that are pending for p. The
// task that was to take them blocks them now, or ends.
//
// Locks: p.mu held.
func (p *Process) retarget(c *percpu.CPU, set uint64) {
	p.mu.AssertHeld(c)
	shows := takerShows
	for set &= p.pending.bits.Load(); set != 0; set &= set - 1 {
		if to := p.taker(c, nil, uint64(bits.TrailingZeros64(set))+1, &shows); to != nil {
			to.wakeForSignal(c)
		}
	}
}

func sysTgkill(c *percpu.CPU, t *Task, f *cpu.Frame) (*percpu.CPU, uint64) {
	pid, tid := int32(f.DI), int32(f.SI)
	if pid <= 0 || tid <= 0 {
		return c, errno(EINVAL)
	}
	if uint32(pid) != t.proc.ID {
		return c, errno(ESRCH)
	}
	return tkill(c, t, tid, int32(f.DX))
}

func sysTkill(c *percpu.CPU, t *Task, f *cpu.Frame) (*percpu.CPU, uint64) {
	if int32(f.DI) <= 0 {
		return c, errno(EINVAL)
	}
	return tkill(c, t, int32(f.DI), int32(f.SI))
}

// tkill sends a signal to one task of the caller's process. As in Linux a task that
// does not exist comes before a signal that does not.
func tkill(c *percpu.CPU, t *Task, tid, sig int32) (*percpu.CPU, uint64) {
	r := errno(ESRCH)
	p := t.proc
	p.mu.Lock(c)
	if to := p.find(c, uint32(tid)); to != nil {
		switch {
		case sig < 0 || sig > lastSignal:
			r = errno(EINVAL)
		case sig == 0:
			r = 0
		default:
			r = 0
			send(c, to, uint64(sig), fromTkill)
		}
	}
	p.mu.Unlock(c)
	return c, r
}

// sysKill sends a signal to the caller's own process: by its id, as the caller's
// process group (0), or as the group with the id of the process. Each program is a
// group of its own, and sees no other.
func sysKill(c *percpu.CPU, t *Task, f *cpu.Frame) (*percpu.CPU, uint64) {
	pid, sig := int32(f.DI), int32(f.SI)
	if id := int32(t.proc.ID); pid != 0 && pid != id && pid != -id {
		return c, errno(ESRCH)
	}
	if sig < 0 || sig > lastSignal {
		return c, errno(EINVAL)
	}
	if sig != 0 {
		t.proc.signal(c, t, uint64(sig), fromKill)
	}
	return c, 0
}

// siginfoBytes is the size of a siginfo for the program.
const siginfoBytes = unsafe.Sizeof(siginfo{})
