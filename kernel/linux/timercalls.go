package linux

import (
	"unsafe"

	"muster/kernel/clock"
	"muster/kernel/cpu"
	"muster/kernel/percpu"
)

// The calls of POSIX timers: timer_create and its relatives.

// sigevent says what a timer does when it expires (Linux,
// include/uapi/asm-generic/siginfo.h).
type sigevent struct {
	value  uint64
	signo  uint32
	notify uint32
	thread uint32
	_      [11]uint32
}

var _ [64]byte = [unsafe.Sizeof(sigevent{})]byte{}

// Values of sigevent.notify.
const (
	sigevSignal   = 0
	sigevNone     = 1
	sigevThread   = 2 // a signal for the C library
	sigevThreadID = 4
)

func sysTimerCreate(c *percpu.CPU, t *Task, f *cpu.Frame) (*percpu.CPU, uint64) {
	ev := sigevent{signo: SIGALRM}
	if f.SI != 0 && !t.Space.CopyIn(c, ptrTo(&ev), uintptr(f.SI), unsafe.Sizeof(ev)) {
		return c, errno(EFAULT)
	}
	id, ok := parseClock(f.DI)
	if !ok {
		return c, errno(EINVAL)
	}
	tm := newTimer(c, t.proc)
	if tm != nil && !t.proc.makeParts(c) {
		tm.free(c)
		tm = nil
	}
	if tm == nil {
		return c, errno(ENOMEM)
	}
	n, e := t.createTimer(c, tm, id, &ev, f.SI == 0)
	if e != 0 {
		return c, errno(e)
	}
	if !t.Space.Store32(c, uintptr(f.DX), n) {
		t.deleteTimer(c, uint64(n))
		return c, errno(EFAULT)
	}
	return c, 0
}

// createTimer completes a new timer, and puts it into the table; or it frees the timer. named says that the value is the id.
//
// Locks: takes p.mu if the timer counts CPU time, and the lock of a part.
func (t *Task) createTimer(c *percpu.CPU, tm *timer, id clockID, ev *sigevent, named bool) (n uint32, e Errno) {
	p := t.proc
	if ev.notify == sigevThreadID && !p.hasTask(c, ev.thread) {
		e = EINVAL
	}
	whole := id.kind == kindProcessCPU || id.kind == kindThreadCPU
	if whole {
		p.mu.Lock(c)
	}
	if e == 0 {
		e = tm.describe(c, t, id, ev)
	}
	if e == 0 {
		n, e = p.timers.add(c, tm, named)
	}
	last := e != 0 && tm.end(c)
	if whole {
		p.mu.Unlock(c)
	}
	if last {
		tm.free(c)
	}
	return n, e
}

// hasTask reports whether a task of p has an id.
//
// Locks: takes p.mu, or none.
func (p *Process) hasTask(c *percpu.CPU, id uint32) bool {
	if p.seen.name(c, id) != nil {
		unname(c)
		return true
	}
	p.mu.Lock(c)
	t := p.find(c, id)
	if t != nil {
		p.seen.show(t)
	}
	p.mu.Unlock(c)
	return t != nil
}

// describe fills in a new timer: what it counts, and what it does. The thread for its signal is there, or was.
//
// Locks: for a timer on CPU time p.mu held; not asserted: createTimer, the only caller, has taken it.
func (tm *timer) describe(c *percpu.CPU, t *Task, id clockID, ev *sigevent) Errno {
	p := t.proc
	switch ev.notify {
	case sigevNone:
		tm.notify = notifyNone
	case sigevThreadID:
		tm.notify, tm.target = notifyThread, ev.thread
	case sigevSignal, sigevThread:
		tm.notify = notifyProcess
	default:
		return EINVAL
	}
	if tm.notify != notifyNone && (ev.signo == 0 || ev.signo > lastSignal) {
		return EINVAL
	}
	tm.sig, tm.value = uint64(ev.signo), ev.value
	switch id.kind {
	case kindRealtime, kindTAI:
		tm.clock = timerRealtime
	case kindMonotonic, kindBoottime:
		tm.clock = timerWall
	case kindProcessCPU:
		if id.task != 0 && id.task != p.ID {
			return EINVAL
		}
		p.timers.cpu.add(tm)
	case kindThreadCPU:
		o := p.clockTask(c, t, id)
		if o == nil {
			return EINVAL
		}
		o.clock.add(tm)
	default:
		return EOPNOTSUPP
	}
	return 0
}

func sysTimerDelete(c *percpu.CPU, t *Task, f *cpu.Frame) (*percpu.CPU, uint64) {
	return c, t.deleteTimer(c, f.DI)
}

func (t *Task) deleteTimer(c *percpu.CPU, id uint64) uint64 {
	p := t.proc
	tm := p.timers.remove(c, uintArg(id))
	if tm == nil {
		return errno(EINVAL)
	}
	whole := tm.clock == timerCPU
	if whole {
		p.mu.Lock(c)
	}
	last := tm.end(c)
	if whole {
		p.mu.Unlock(c)
	}
	if last {
		tm.free(c)
	}
	return 0
}

func sysTimerSettime(c *percpu.CPU, t *Task, f *cpu.Frame) (*percpu.CPU, uint64) {
	if f.DX == 0 {
		return c, errno(EINVAL)
	}
	every, e := loadTimespec(c, t, uintptr(f.DX))
	if e != 0 {
		return c, errno(e)
	}
	value, e := loadTimespec(c, t, uintptr(f.DX)+16)
	if e != 0 {
		return c, errno(e)
	}
	p := t.proc
	var left, before clock.Time
	tm, whole := p.useTimer(c, f.DI)
	switch {
	case tm == nil:
		e = EINVAL
	case tm.clock == timerCPU && tm.cpu == nil:
		e = ESRCH
	default:
		left, before = tm.setTime(c, value, every, f.SI&timerAbsolute != 0)
	}
	p.doneWith(c, tm, whole)
	switch {
	case e != 0:
		return c, errno(e)
	case f.R10 != 0 && !storeTimes(c, t, uintptr(f.R10), before, left):
		return c, errno(EFAULT)
	}
	return c, 0
}

func storeTimes(c *percpu.CPU, t *Task, at uintptr, every, value clock.Time) bool {
	return storeTimespec(c, t, at, every) && storeTimespec(c, t, at+16, value)
}

func sysTimerGettime(c *percpu.CPU, t *Task, f *cpu.Frame) (*percpu.CPU, uint64) {
	var left, every clock.Time
	tm, whole := t.proc.useTimer(c, f.DI)
	if tm != nil {
		left, every = tm.left(c)
	}
	t.proc.doneWith(c, tm, whole)
	switch {
	case tm == nil:
		return c, errno(EINVAL)
	case !storeTimes(c, t, uintptr(f.SI), every, left):
		return c, errno(EFAULT)
	}
	return c, 0
}

func sysTimerGetoverrun(c *percpu.CPU, t *Task, f *cpu.Frame) (*percpu.CPU, uint64) {
	r := errno(EINVAL)
	tm, whole := t.proc.useTimer(c, f.DI)
	if tm != nil {
		r = uint64(tm.overruns)
	}
	t.proc.doneWith(c, tm, whole)
	return c, r
}
