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
	if tm == nil {
		return c, errno(ENOMEM)
	}
	p := t.proc
	p.mu.Lock(c)
	e := tm.describe(c, t, id, &ev)
	if e == 0 {
		e = p.timers.add(tm)
	}
	n := uint32(tm.byID.Key)
	if f.SI == 0 {
		tm.value = uint64(n)
	}
	last := e != 0 && tm.end(c)
	p.mu.Unlock(c)
	if last {
		tm.free(c)
	}
	if e != 0 {
		return c, errno(e)
	}
	if !t.Space.Store32(c, uintptr(f.DX), n) {
		t.deleteTimer(c, uint64(n))
		return c, errno(EFAULT)
	}
	return c, 0
}

// describe fills in a new timer: what it counts, and what it does.
//
// Locks: t.proc.mu held.
func (tm *timer) describe(c *percpu.CPU, t *Task, id clockID, ev *sigevent) Errno {
	t.proc.mu.AssertHeld(c)
	p := t.proc
	switch ev.notify {
	case sigevNone:
		tm.notify = notifyNone
	case sigevThreadID:
		if p.find(c, ev.thread) == nil {
			return EINVAL
		}
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
	p.mu.Lock(c)
	tm := p.timers.find(id)
	if tm == nil {
		p.mu.Unlock(c)
		return errno(EINVAL)
	}
	p.timers.remove(tm)
	last := tm.end(c)
	p.mu.Unlock(c)
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
