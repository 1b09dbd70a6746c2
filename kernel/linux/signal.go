package linux

import (
	"unsafe"

	"muster/kernel/cpu"
	"muster/kernel/percpu"
	"muster/kernel/sched"
	"muster/kernel/tree"
	"muster/kernel/upcall"
)

// Signals that the core uses.
const (
	SIGINT    = 2
	SIGILL    = 4
	SIGTRAP   = 5
	SIGABRT   = 6
	SIGBUS    = 7
	SIGFPE    = 8
	SIGKILL   = 9
	SIGSEGV   = 11
	SIGPIPE   = 13
	SIGALRM   = 14
	SIGTERM   = 15
	SIGCHLD   = 17
	SIGCONT   = 18
	SIGSTOP   = 19
	SIGURG    = 23
	SIGVTALRM = 26
	SIGPROF   = 27
	SIGWINCH  = 28

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
	flagRestart = 0x10000000
	flagNoDefer = 0x40000000
	flagReset   = 0x80000000

	flagNoChildStop = 0x00000001 // SA_NOCLDSTOP
	flagNoChildWait = 0x00000002 // SA_NOCLDWAIT
	flagInfo        = 0x00000004 // SA_SIGINFO: every handler gets the information
	flagExposeTags  = 0x00000800 // SA_EXPOSE_TAGBITS
	flagRestorer    = 0x04000000 // SA_RESTORER

	// The flags that sigaction keeps. A program sets another flag and reads it back to learn
	// whether the kernel knows it (SA_UNSUPPORTED).
	flagsKept = flagNoChildStop | flagNoChildWait | flagInfo | flagExposeTags | flagRestorer | flagOnStack | flagRestart | flagNoDefer | flagReset
)

// siginfo codes.
const (
	codeUser   = 0  // kill
	codeTimer  = -2 // a timer of timer_create
	codeTkill  = -6 // tgkill
	codeKernel = 0x80
	codeMapErr = 1 // SIGSEGV: no mapping
	codeAccErr = 2 // SIGSEGV: no right
	codeDivide = 1 // SIGFPE
	codeIllOpn = 2 // SIGILL
	codeAlign  = 1 // SIGBUS
	codeBreak  = 1 // SIGTRAP
	codeTrace  = 2 // SIGTRAP

	codeFloatDivide  = 3 // SIGFPE
	codeFloatOver    = 4
	codeFloatUnder   = 5
	codeFloatInexact = 6
	codeFloatInvalid = 7
)

// info describes one signal to deliver.
type info struct {
	sig  uint64
	code int32
	addr uint64 // of a fault; the sender's process; of a timer, its id and overruns
}

func sysRtSigaction(c *percpu.CPU, t *Task, f *cpu.Frame) (*percpu.CPU, uint64) {
	sig := uintArg(f.DI)
	if f.R10 != 8 {
		return c, errno(EINVAL)
	}
	var act, old action
	if f.SI != 0 && !t.Space.CopyIn(c, ptrTo(&act), uintptr(f.SI), unsafe.Sizeof(act)) {
		return c, errno(EFAULT)
	}
	if sig == 0 || sig > lastSignal || f.SI != 0 && bit(sig)&unblockable != 0 {
		return c, errno(EINVAL)
	}
	act.mask &^= unblockable
	act.flags &= flagsKept
	sig = cpu.Index(sig, lastSignal+1)
	p := t.proc
	if f.SI != 0 {
		c, old = p.setAction(c, sig, act)
	} else {
		old = p.actions.get(c, &p.mu, sig)
	}
	if f.DX != 0 && !t.Space.CopyOut(c, uintptr(f.DX), ptrTo(&old), unsafe.Sizeof(old)) {
		return c, errno(EFAULT)
	}
	return c, 0
}

// setAction changes the action of a signal, and returns the old one.
//
// Context: no lock held. Returns the CPU on which the caller goes on.
func (p *Process) setAction(c *percpu.CPU, sig uint64, act action) (_ *percpu.CPU, old action) {
	p.mu.Lock(c)
	old = p.actions.list[sig].load()
	p.actions.set(sig, act)
	ignored := p.ignores(sig)
	if ignored { // what waits is dropped, even if it is blocked
		p.pending.forget(c, sig)
	}
	p.mu.Unlock(c)
	if ignored {
		c = p.dropIgnored(c, sig)
	}
	return c, old
}

// dropIgnored drops what waits for the tasks of a signal whose action is to do nothing.
//
// Context: no lock held. Returns the CPU on which the caller goes on.
func (p *Process) dropIgnored(c *percpu.CPU, sig uint64) *percpu.CPU {
	for from := uint64(0); ; c = sched.Breathe(c) {
		p.mu.Lock(c)
		var n *tree.Node
		if p.ignores(sig) { // unless another task has set the action anew
			n = p.tasks.AtLeast(from)
		}
		for range pokeBatch {
			if n == nil {
				break
			}
			memberTask(n).pending.forget(c, sig)
			from = n.Key + 1
			n = n.Next()
		}
		p.mu.Unlock(c)
		if n == nil {
			return c
		}
	}
}

// ignores reports whether the action of a signal is to do nothing. One word says so: no lock is
// needed to read it.
func (p *Process) ignores(sig uint64) bool {
	h := p.actions.list[sig].handler.Load()
	return h == handlerIgnore || h == handlerDefault && bit(sig)&ignoredByDefault != 0
}

// deliverBatch is the number of signals that are delivered in one step.
const deliverBatch = 16

// deliverPending delivers the pending signals that t does not block. how is the way
// to return to the thread, and the vector state in it; the result is the new way.
func deliverPending(c *percpu.CPU, t *Task, f *cpu.Frame, how uintptr) (*percpu.CPU, uintptr) {
	for n := 1; t.Work.Load()&workExit == 0; n++ {
		var a action
		in, ok := t.takeSignal(c, ^t.mask.Load(), &a)
		if !ok {
			break
		}
		how = react(c, t, f, how, in, &a)
		if n%deliverBatch == 0 {
			c = sched.Breathe(c) // many timers may have signals
		}
	}
	t.value = 0
	t.resumeUnhandled(c, f)
	return c, how
}

// deliver makes t continue in the handler of a signal, or takes the default action.
func deliver(c *percpu.CPU, t *Task, f *cpu.Frame, how uintptr, in info) uintptr {
	a := t.proc.actionFor(c, in.sig)
	return react(c, t, f, how, in, &a)
}

// actionFor returns the action of a signal that is being delivered. It takes the lock of the process
// for a handler that is to run once alone.
//
// Locks: takes p.mu, or none.
func (p *Process) actionFor(c *percpu.CPU, sig uint64) action {
	a := p.actions.get(c, &p.mu, sig)
	if a.flags&flagReset != 0 {
		p.mu.Lock(c)
		a = p.reaction(c, sig)
		p.mu.Unlock(c)
	}
	return a
}

// reaction returns the action of a signal that is being delivered.
//
// Locks: p.mu held.
func (p *Process) reaction(c *percpu.CPU, sig uint64) action {
	p.mu.AssertHeld(c)
	a := p.actions.list[sig].load()
	if a.flags&flagReset != 0 && a.handler != handlerIgnore {
		after := a
		after.handler = handlerDefault
		p.actions.set(sig, after)
	}
	return a
}

// react does what the action of a signal says.
func react(c *percpu.CPU, t *Task, f *cpu.Frame, how uintptr, in info, a *action) uintptr {
	switch {
	case a.handler == handlerIgnore, a.handler == handlerDefault && bit(in.sig)&ignoredByDefault != 0:
		return how
	case a.handler == handlerDefault:
		fatal(c, t, f, in)
		return how
	}
	t.resume(f, a.flags&flagRestart != 0)
	how, ok := pushFrame(c, t, f, how, in, a)
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
	if in.sig != SIGKILL && in.sig != SIGTERM && in.sig != SIGINT {
		t.proc.report(c, t, in, f.IP)
	}
	t.proc.end(c, 128+uint32(in.sig))
	t.Work.Or(workExit) // this task must not run again: its registers may be such that it cannot
}

// signalText names a signal that ends a program, "" if it has no name here.
func signalText(sig uint64) string {
	switch sig {
	case SIGPIPE:
		return "broken pipe"
	case SIGALRM:
		return "alarm clock"
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
	return ""
}
