package linux

import (
	"unsafe"

	"muster/kernel/cpu"
	"muster/kernel/lock"
	"muster/kernel/percpu"
	"muster/kernel/trace"
	"muster/kernel/upcall"
)

// Signals that the core uses.
const (
	SIGILL   = 4
	SIGTRAP  = 5
	SIGABRT  = 6
	SIGBUS   = 7
	SIGFPE   = 8
	SIGKILL  = 9
	SIGSEGV  = 11
	SIGPIPE  = 13
	SIGCHLD  = 17
	SIGCONT  = 18
	SIGSTOP  = 19
	SIGURG   = 23
	SIGWINCH = 28

	lastSignal = 64
)

func bit(sig uint64) uint64 { return 1 << (sig - 1) }

// Signals that are ignored by default, and signals that no mask blocks.
const (
	ignoredByDefault = 1<<(SIGCHLD-1) | 1<<(SIGCONT-1) | 1<<(SIGURG-1) | 1<<(SIGWINCH-1)
	unblockable      = 1<<(SIGKILL-1) | 1<<(SIGSTOP-1)
)

// action is a process's reaction to a signal: the kernel's struct sigaction.
type action struct{ handler, flags, restorer, mask uint64 }

const (
	handlerDefault = 0
	handlerIgnore  = 1

	flagOnStack = 0x08000000
	flagNoDefer = 0x40000000
	flagReset   = 0x80000000
)

// siginfo codes.
const (
	codeUser   = 0  // kill
	codeTkill  = -6 // tgkill
	codeKernel = 0x80
	codeMapErr = 1 // SIGSEGV: no mapping
	codeAccErr = 2 // SIGSEGV: no right
	codeDivide = 1 // SIGFPE
	codeFloat  = 7 // SIGFPE
	codeIllOpn = 2 // SIGILL
)

// info describes one signal to deliver.
type info struct {
	sig  uint64
	code int32
	addr uint64 // of a fault; else the sender's process
}

func sysRtSigaction(c *percpu.CPU, t *Task, f *cpu.Frame) (*percpu.CPU, uint64) {
	sig := f.DI
	if sig == 0 || sig > lastSignal || f.R10 != 8 || f.SI != 0 && bit(sig)&unblockable != 0 {
		return c, errno(EINVAL)
	}
	var act, old action
	if f.SI != 0 && !t.Space.CopyIn(c, ptrTo(&act), uintptr(f.SI), unsafe.Sizeof(act)) {
		return c, errno(EFAULT)
	}
	p := t.proc
	p.mu.Lock(c)
	old = p.actions[sig]
	if f.SI != 0 {
		p.actions[sig] = act
	}
	p.mu.Unlock(c)
	if f.DX != 0 && !t.Space.CopyOut(c, uintptr(f.DX), ptrTo(&old), unsafe.Sizeof(old)) {
		return c, errno(EFAULT)
	}
	return c, 0
}

const (
	sigBlock   = 0
	sigUnblock = 1
	sigSetmask = 2
)

func sysRtSigprocmask(c *percpu.CPU, t *Task, f *cpu.Frame) (*percpu.CPU, uint64) {
	if f.R10 != 8 {
		return c, errno(EINVAL)
	}
	old := t.mask
	if f.SI != 0 {
		set, ok := t.Space.Load64(c, uintptr(f.SI))
		if !ok {
			return c, errno(EFAULT)
		}
		mask := old
		switch f.DI {
		case sigBlock:
			mask |= set
		case sigUnblock:
			mask &^= set
		case sigSetmask:
			mask = set
		default:
			return c, errno(EINVAL)
		}
		t.setMask(mask)
	}
	if f.DX != 0 && !t.Space.Store64(c, uintptr(f.DX), old) {
		return c, errno(EFAULT)
	}
	return c, 0
}

// setMask changes the blocked signals of the current task. Signals that were
// blocked before are delivered now.
func (t *Task) setMask(mask uint64) {
	t.mask = mask &^ unblockable
	if t.pending.Load()&^t.mask != 0 {
		t.Work.Or(workSignal)
	}
}

// stackT is the kernel's stack_t.
type stackT struct {
	sp    uint64
	flags uint32
	_     uint32
	size  uint64
}

const (
	stackOn      = 1
	stackDisable = 2
	minStack     = 2048
)

// onAlt reports whether a stack pointer lies on the alternate stack.
func (t *Task) onAlt(sp uint64) bool {
	return sp > uint64(t.altLow) && sp <= uint64(t.altLow+t.altSize)
}

func sysSigaltstack(c *percpu.CPU, t *Task, f *cpu.Frame) (*percpu.CPU, uint64) {
	old := stackT{sp: uint64(t.altLow), size: uint64(t.altSize)}
	on := t.onAlt(f.SP)
	if t.altSize == 0 {
		old.flags = stackDisable
	} else if on {
		old.flags = stackOn
	}
	if f.DI != 0 {
		var ss stackT
		if !t.Space.CopyIn(c, ptrTo(&ss), uintptr(f.DI), unsafe.Sizeof(ss)) {
			return c, errno(EFAULT)
		}
		switch {
		case on:
			return c, errno(EPERM)
		case ss.flags == stackDisable:
			t.altLow, t.altSize = 0, 0
		case ss.flags != 0 && ss.flags != stackOn:
			return c, errno(EINVAL)
		case ss.size < minStack:
			return c, errno(ENOMEM)
		default:
			t.altLow, t.altSize = uintptr(ss.sp), uintptr(ss.size)
		}
	}
	if f.SI != 0 && !t.Space.CopyOut(c, uintptr(f.SI), ptrTo(&old), unsafe.Sizeof(old)) {
		return c, errno(EFAULT)
	}
	return c, 0
}

// send makes a signal pending for a task.
//
// Locks: tasks.mu or t.proc.mu held.
func send(c *percpu.CPU, t *Task, sig uint64, direct bool) {
	lock.AssertEither(c, &tasks.mu, &t.proc.mu)
	trace.Add(c, trace.Signal, sig, uint64(t.ID))
	if direct {
		t.senders.Or(bit(sig))
	}
	t.pending.Or(bit(sig))
	t.Work.Or(workSignal)
	poke(c, t)
}

func sysTgkill(c *percpu.CPU, t *Task, f *cpu.Frame) (*percpu.CPU, uint64) {
	return tgkill(c, t, int32(f.DI), int32(f.SI), f.DX)
}

func sysTkill(c *percpu.CPU, t *Task, f *cpu.Frame) (*percpu.CPU, uint64) {
	return tgkill(c, t, int32(t.proc.ID), int32(f.DI), f.SI)
}

// tgkill sends a signal to one task of the caller's process.
func tgkill(c *percpu.CPU, t *Task, pid, tid int32, sig uint64) (*percpu.CPU, uint64) {
	if pid <= 0 || tid <= 0 || sig > lastSignal {
		return c, errno(EINVAL)
	}
	r := errno(ESRCH)
	tasks.mu.Lock(c)
	if to := findTask(c, uint32(tid)); to != nil && to.proc == t.proc && uint32(pid) == t.proc.ID {
		r = 0
		if sig != 0 {
			send(c, to, sig, true)
		}
	}
	tasks.mu.Unlock(c)
	return c, r
}

func sysKill(c *percpu.CPU, t *Task, f *cpu.Frame) (*percpu.CPU, uint64) {
	pid := int32(f.DI)
	if f.SI > lastSignal {
		return c, errno(EINVAL)
	}
	if pid != 0 && uint32(pid) != t.proc.ID {
		return c, errno(ESRCH)
	}
	if f.SI != 0 {
		t.proc.signal(c, t, f.SI)
	}
	return c, 0
}

// signal sends a signal to a task of p that does not block it, prefer if that is one.
func (p *Process) signal(c *percpu.CPU, prefer *Task, sig uint64) {
	p.mu.Lock(c)
	to := prefer
	if to == nil || to.proc != p || to.mask&bit(sig) != 0 {
		to = memberTask(p.tasks.First())
		for n := p.tasks.First(); n != nil; n = p.tasks.Next(n) {
			if o := memberTask(n); o.mask&bit(sig) == 0 { // an old value only selects another task
				to = o
				break
			}
		}
	}
	if to != nil {
		send(c, to, sig, false)
	}
	p.mu.Unlock(c)
}

// deliverPending delivers the pending signals that t does not block. how is the way
// to return to the thread, and the vector state in it; the result is the new way.
func deliverPending(c *percpu.CPU, t *Task, f *cpu.Frame, how uintptr) uintptr {
	for {
		ready := t.pending.Load() &^ t.mask
		if ready == 0 || t.Work.Load()&workExit != 0 {
			return how
		}
		sig := uint64(1)
		for ready>>(sig-1)&1 == 0 {
			sig++
		}
		t.pending.And(^bit(sig))
		code := int32(codeUser)
		if t.senders.And(^bit(sig))&bit(sig) != 0 {
			code = codeTkill
		}
		how = deliver(c, t, f, how, info{sig, code, uint64(t.proc.ID)})
	}
}

// deliver makes t continue in the handler of a signal, or takes the default action.
func deliver(c *percpu.CPU, t *Task, f *cpu.Frame, how uintptr, in info) uintptr {
	p := t.proc
	p.mu.Lock(c)
	a := p.actions[in.sig]
	if a.flags&flagReset != 0 {
		p.actions[in.sig].handler = handlerDefault
	}
	p.mu.Unlock(c)
	switch {
	case a.handler == handlerIgnore, a.handler == handlerDefault && bit(in.sig)&ignoredByDefault != 0:
		return how
	case a.handler == handlerDefault:
		fatal(c, t, f, in)
		return how
	}
	how, ok := pushFrame(c, t, f, how, in, &a)
	if !ok { // no stack to run the handler on
		fatal(c, t, f, info{SIGSEGV, codeKernel, f.SP})
	}
	return how
}

// fatal ends the process of t: a program with a report, the kernel with a panic.
func fatal(c *percpu.CPU, t *Task, f *cpu.Frame, in info) {
	if !t.proc.user {
		upcall.To.Panic(c, f, "fatal signal to the kernel's own runtime; signal, address", in.sig, in.addr)
	}
	if in.sig != SIGKILL && in.sig != 15 && in.sig != 2 {
		t.proc.report(c, t, signalText(in.sig), in.addr, f.IP)
	}
	t.proc.end(c, 128+uint32(in.sig))
}

func signalText(sig uint64) string {
	switch sig {
	case SIGILL:
		return "illegal instruction"
	case SIGTRAP:
		return "breakpoint"
	case SIGABRT:
		return "abort"
	case SIGBUS:
		return "bus error"
	case SIGFPE:
		return "arithmetic error"
	case SIGSEGV:
		return "segmentation fault"
	}
	return "signal"
}
