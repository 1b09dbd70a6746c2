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
// Locks: takes p.mu, if the signal is the process's or a timer's, and the lock of a set.
func (t *Task) takeSignal(c *percpu.CPU, set uint64, a *action) (in info, ok bool) {
	if t.pending.bits.Load()&set != 0 {
		if in, ok = t.takeOwn(c, set); ok {
			if a != nil {
				*a = t.proc.actionFor(c, in.sig)
			}
			return in, ok
		}
	}
	p := t.proc
	if p.pending.bits.Load()&set == 0 {
		return in, false
	}
	p.mu.Lock(c)
	in, ok = t.takeLocked(c, &p.pending, set) // another task may have taken what there was
	if ok && a != nil {
		*a = p.reaction(c, in.sig) // with p.mu: a task that sees the signal no more may change the action then
	}
	p.mu.Unlock(c)
	return in, ok
}

// takeLocked takes the lowest signal of a set that waits in s, if there is one.
//
// Locks: t.proc.mu held; takes s.mu, and then a timer's.
func (t *Task) takeLocked(c *percpu.CPU, s *pendingSet, set uint64) (in info, ok bool) {
	t.proc.mu.AssertHeld(c)
	var tm *timer
	var fired uint64
	s.mu.Lock(c)
	ready := s.bits.Load() & set
	if ready != 0 {
		in, tm, fired = s.take(c, t.proc, lowest(ready))
	}
	s.mu.Unlock(c)
	if ready != 0 {
		t.value = 0
	}
	if tm != nil {
		in, t.value = tm.deliver(c, fired), tm.value
		unname(c)
	}
	return in, ready != 0
}

// takeOwn takes the lowest signal of a set that waits for t itself. No other task sees what waits
// for t, so the action may be read afterwards.
//
// Locks: takes the lock of t's set, and then that of a timer; p.mu first if the signal is of a timer on CPU time.
func (t *Task) takeOwn(c *percpu.CPU, set uint64) (in info, ok bool) {
	p, s := t.proc, &t.pending
	s.mu.Lock(c)
	ready := s.bits.Load() & set // one that is ignored now may have been dropped
	if ready == 0 {
		s.mu.Unlock(c)
		return in, false
	}
	sig := lowest(ready)
	if s.plain&bit(sig) != 0 {
		in, _, _ = s.take(c, p, sig)
		s.mu.Unlock(c)
		t.value = 0
		return in, true
	}
	if s.timer(sig).clock != timerCPU {
		in = t.takeTimer(c, sig)
		return in, true
	}
	s.mu.Unlock(c) // p.mu comes first
	p.mu.Lock(c)
	in, ok = t.takeLocked(c, s, set)
	p.mu.Unlock(c)
	return in, ok
}

// takeTimer takes the signal of a timer on the machine's time that waits for t itself.
//
// Locks: t.pending.mu held; released. Takes the timer's.
func (t *Task) takeTimer(c *percpu.CPU, sig uint64) info {
	t.pending.mu.AssertHeld(c)
	s := &t.pending
	_, tm, fired := s.take(c, t.proc, sig)
	s.mu.Unlock(c)
	in := tm.deliver(c, fired)
	t.value = tm.value
	unname(c)
	return in
}

// lowest returns the lowest signal of a set.
func lowest(set uint64) uint64 { return uint64(bits.TrailingZeros64(set)) + 1 }

// send makes a signal pending for a task.
//
// Context: t is the current task, in a system call of its own, or the caller has the lock of t's process or names t, which
// wakeForSignal asserts.
// Locks: takes the lock of t's set.
func send(c *percpu.CPU, t *Task, sig uint64, from sender) {
	trace.Add(c, trace.Signal, sig, uint64(t.ID))
	s := &t.pending
	s.mu.Lock(c)
	takes := false
	if (t.mask.Load()|t.awaited)&bit(sig) != 0 || !t.proc.ignores(sig) {
		s.add(sig, from) // before the look at the mask: see changeMask
		takes = t.mask.Load()&bit(sig) == 0
	}
	s.mu.Unlock(c)
	switch {
	case !takes:
	case t == current(c):
		t.Work.Or(workSignal) // it looks on its way out of the core
	default:
		t.wakeForSignal(c)
	}
}

// wakeForSignal makes a task look for signals.
//
// Context: t is one of the tasks of its process, whose lock the caller has, or the CPU names t: see assertStays.
func (t *Task) wakeForSignal(c *percpu.CPU) {
	t.assertStays(c)
	t.Work.Or(workSignal)
	poke(c, t)
}

// signal sends a signal to p. It wakes a task that does not block the signal, prefer
// if that is one.
//
// Locks: takes p.mu, and then the lock of a set.
func (p *Process) signal(c *percpu.CPU, prefer *Task, sig uint64, from sender) {
	p.mu.Lock(c)
	trace.Add(c, trace.Signal, sig, uint64(p.ID))
	p.pending.mu.Lock(c)
	p.pending.add(sig, from) // before taker looks at masks: see setMask
	p.pending.mu.Unlock(c)
	shows := takerShows
	if to := p.taker(c, prefer, sig, &shows); to != nil {
		if p.ignores(sig) && !to.keeps(c, sig) {
			p.pending.forget(c, sig)
		} else {
			to.wakeForSignal(c)
		}
	}
	p.mu.Unlock(c)
}

// keeps reports whether t blocks a signal or waits for it: then the signal stays although its
// action is to do nothing.
//
// Locks: t.proc.mu held; takes the lock of t's set.
func (t *Task) keeps(c *percpu.CPU, sig uint64) bool {
	t.proc.mu.AssertHeld(c)
	t.pending.mu.Lock(c)
	kept := (t.mask.Load()|t.awaited)&bit(sig) != 0
	t.pending.mu.Unlock(c)
	return kept
}

// How many tasks that block more than the tree of tasks shows a critical section corrects at
// most: for one signal of a system call or for a change of one mask, and for one timer. Many
// timers may expire in one interrupt, so the second number is small. At most lazyTasks of those
// tasks are not in a handler, so at least two are when either number is used up.
const (
	takerShows = 32
	timerShows = lazyTasks + 2
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

// refreshOpen is the tree's Refresh: which signals some task of a subtree takes.
func refreshOpen(n *tree.Node) (changed bool) {
	t := memberTask(n)
	takes := ^t.shown.Load()
	if n.Left != nil {
		takes |= memberTask(n.Left).takes
	}
	if n.Right != nil {
		takes |= memberTask(n.Right).takes
	}
	changed = takes != t.takes
	t.takes = takes
	return changed
}

// retarget finds other tasks for those signals of a set that are pending for p. The
// task that was to take them blocks them now, or ends.
//
// Locks: p.mu held.
func (p *Process) retarget(c *percpu.CPU, set uint64) {
	p.mu.AssertHeld(c)
	shows := takerShows
	for set &= p.pending.bits.Load(); set != 0; set &= set - 1 {
		if to := p.taker(c, nil, lowest(set), &shows); to != nil {
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
	if uint32(tid) == t.ID {
		return c, tkillTo(c, t, sig)
	}
	r := errno(ESRCH)
	p := t.proc
	if to := p.seen.name(c, uint32(tid)); to != nil {
		r = tkillTo(c, to, sig)
		unname(c)
		return c, r
	}
	p.mu.Lock(c)
	if to := p.find(c, uint32(tid)); to != nil {
		p.seen.show(to)
		r = tkillTo(c, to, sig)
	}
	p.mu.Unlock(c)
	return c, r
}

// tkillTo is tkill for a task that was found.
//
// Locks: as send.
func tkillTo(c *percpu.CPU, to *Task, sig int32) uint64 {
	if sig < 0 || sig > lastSignal {
		return errno(EINVAL)
	}
	if sig != 0 {
		send(c, to, uint64(sig), fromTkill)
	}
	return 0
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
