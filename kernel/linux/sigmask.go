package linux

import (
	"muster/kernel/clock"
	"muster/kernel/cpu"
	"muster/kernel/percpu"
	"muster/kernel/sched"
)

// Ways of rt_sigprocmask to change the mask.
const (
	sigBlock   = 0
	sigUnblock = 1
	sigSetmask = 2
)

func sysRtSigprocmask(c *percpu.CPU, t *Task, f *cpu.Frame) (*percpu.CPU, uint64) {
	if f.R10 != 8 {
		return c, errno(EINVAL)
	}
	old := t.mask.Load()
	if f.SI != 0 {
		set, ok := t.Space.Load64(c, uintptr(f.SI))
		if !ok {
			return c, errno(EFAULT)
		}
		mask := old
		switch uint32(f.DI) {
		case sigBlock:
			mask |= set
		case sigUnblock:
			mask &^= set
		case sigSetmask:
			mask = set
		default:
			return c, errno(EINVAL)
		}
		t.setMask(c, mask)
	}
	if f.DX != 0 && !t.Space.Store64(c, uintptr(f.DX), old) {
		return c, errno(EFAULT)
	}
	return c, 0
}

// setMask changes the blocked signals of the current task. Signals that were
// blocked before are delivered now; signals of the process that t blocks from now on
// go to another task.
//
// The tree of tasks has a mask of its own for each task, shown. It is the task's mask, so
// that a sender finds a task at once; but see enterMask, and lazyTasks.
//
// Locks: takes p.mu, or none.
func (t *Task) setMask(c *percpu.CPU, mask uint64) { t.changeMask(c, mask, true) }

// enterMask is setMask for the time of a handler. Each handler changes the mask twice, so
// this takes the lock only if it must: shown may block too little, as long as handlers
// run; then the sender that finds so corrects it. It must not block too much.
//
// Locks: takes p.mu, or none.
func (t *Task) enterMask(c *percpu.CPU, mask uint64) { t.changeMask(c, mask, false) }

// lazyTasks is the number of tasks of a process for which setMask does what enterMask does. A
// task that blocks signals, and unblocks them later, needs no lock for either then. A task becomes one
// of them with the first change of its mask that would not have needed the lock, and remains one. A sender
// corrects all of them in one critical section, if it must.
const lazyTasks = 16

// changeMask is setMask if exact is set, else enterMask. A task stores its mask and then
// loads what is pending, and shown; a sender stores what is pending, or shown, and then
// loads the mask. So at least one of the two sees the other's store. A sender does not load
// the mask if the tree says that the task blocks the signal: then the task finds the signal
// under the lock, where it corrects the tree.
//
// Locks: takes p.mu, or none.
func (t *Task) changeMask(c *percpu.CPU, mask uint64, exact bool) {
	mask &^= unblockable
	old := t.mask.Load()
	exact = exact && !t.lazy
	if mask == old && (!exact || t.shown.Load() == mask) {
		return
	}
	p := t.proc
	t.mask.Store(mask)
	pending := p.pending.bits.Load()
	if (t.pending.bits.Load()|pending)&^mask != 0 {
		t.Work.Or(workSignal)
	}
	shown := t.shown.Load()
	if pending&mask&^old == 0 && shown&^mask == 0 && (!exact || shown == mask) {
		return
	}
	p.mu.Lock(c)
	if exact && mask&^shown != 0 && p.lazies < lazyTasks {
		p.lazies++
		t.lazy = true
	}
	t.show(c)
	if p.pending.bits.Load()&^mask != 0 { // from a sender before this, from which the tree hid t
		t.Work.Or(workSignal)
	}
	p.retarget(c, mask&^old)
	p.mu.Unlock(c)
}

// showTries is how often show looks again at a mask that changes meanwhile.
const showTries = 4

// show brings what the tree of tasks says about t's mask up to date.
//
// Locks: t.proc.mu held; t is one of its tasks.
func (t *Task) show(c *percpu.CPU) {
	t.proc.mu.AssertHeld(c)
	if t.proc.exiting.Load() != 0 {
		return // the tree is not kept up to date any more
	}
	for range showTries {
		mask := t.mask.Load()
		t.shown.Store(mask)
		if t.mask.Load() == mask {
			t.proc.tasks.Changed(&t.member)
			return
		}
	}
	t.shown.Store(0) // blocks too little
	t.proc.tasks.Changed(&t.member)
}

// sysRtSigpending returns the signals that wait because t blocks them.
func sysRtSigpending(c *percpu.CPU, t *Task, f *cpu.Frame) (*percpu.CPU, uint64) {
	n := f.SI
	if n > 8 {
		return c, errno(EINVAL)
	}
	set := (t.pending.bits.Load() | t.proc.pending.bits.Load()) & t.mask.Load()
	if n != 0 && !t.Space.CopyOut(c, uintptr(f.DI), ptrTo(&set), uintptr(n)) {
		return c, errno(EFAULT)
	}
	return c, 0
}

// sysRtSigsuspend waits for a handler with another mask. The frame of the handler
// has the old one, to which rt_sigreturn returns.
func sysRtSigsuspend(c *percpu.CPU, t *Task, f *cpu.Frame) (*percpu.CPU, uint64) {
	if f.SI != 8 {
		return c, errno(EINVAL)
	}
	mask, ok := t.Space.Load64(c, uintptr(f.DI))
	if !ok {
		return c, errno(EFAULT)
	}
	t.saved, t.suspends = t.mask.Load(), true
	t.setMask(c, mask)
	return sysPause(c, t, f)
}

// frameMask is the mask to which the handler of a signal returns.
func (t *Task) frameMask() uint64 {
	if t.suspends {
		t.suspends = false
		return t.saved
	}
	return t.mask.Load()
}

func sysPause(c *percpu.CPU, t *Task, _ *cpu.Frame) (*percpu.CPU, uint64) {
	for !t.interrupted() {
		c = sched.Park(c)
	}
	return c, errno(eRestartNoHand)
}

// sysRtSigtimedwait takes a pending signal of a set, or waits for one. The task
// should block the set. While it waits it does not, so that senders find the task;
// a signal that is not in the set and not blocked ends the wait.
func sysRtSigtimedwait(c *percpu.CPU, t *Task, f *cpu.Frame) (*percpu.CPU, uint64) {
	if f.R10 != 8 {
		return c, errno(EINVAL)
	}
	set, ok := t.Space.Load64(c, uintptr(f.DI))
	if !ok {
		return c, errno(EFAULT)
	}
	set &^= unblockable
	deadline := clock.Never
	if f.DX != 0 {
		ns, e := loadTimespec(c, t, uintptr(f.DX))
		if e != 0 {
			return c, errno(e)
		}
		deadline = later(clock.Now(), ns)
	}
	c, in, e := t.awaitSignal(c, set, deadline)
	if e != 0 {
		return c, errno(e)
	}
	value := t.takeValue() // in any case: it must not go with a later signal
	if f.SI != 0 {
		si := siginfo{sig: int32(in.sig), code: in.code, value: in.addr, extra: value}
		if !t.Space.CopyOut(c, uintptr(f.SI), ptrTo(&si), siginfoBytes) {
			return c, errno(EFAULT)
		}
	}
	return c, in.sig
}

// awaitSignal takes a pending signal of a set before a deadline: EAGAIN if none came, EINTR if another signal did.
//
// Context: t is the current task; no lock held. Returns the CPU on which t goes on.
func (t *Task) awaitSignal(c *percpu.CPU, set uint64, deadline clock.Time) (_ *percpu.CPU, in info, e Errno) {
	mask, expired := t.mask.Load(), false
	for {
		in, ok := t.takeSignal(c, set, nil)
		if ok || expired || t.Work.Load()&workExit != 0 {
			t.awaits(c, 0, mask)
			if !ok {
				e = EAGAIN
			}
			return c, in, e
		}
		t.awaits(c, set, mask&^set)
		if t.interrupted() {
			if (t.pending.bits.Load()|t.proc.pending.bits.Load())&set == 0 {
				t.awaits(c, 0, mask)
				return c, in, EINTR
			}
			continue
		}
		c, expired = sched.ParkUntil(c, deadline)
	}
}

// awaits changes the mask and the set of signals that rt_sigtimedwait takes, even if
// their action is to do nothing.
//
// Locks: takes p.mu, or none, and the lock of t's set, one at a time.
func (t *Task) awaits(c *percpu.CPU, set, mask uint64) {
	if set == 0 {
		t.setMask(c, mask) // first: from here on a signal stays because it is blocked
	}
	if t.awaited != set {
		t.pending.mu.Lock(c) // a sender looks at mask and awaited together
		t.awaited = set
		t.pending.mu.Unlock(c)
	}
	t.setMask(c, mask)
}
