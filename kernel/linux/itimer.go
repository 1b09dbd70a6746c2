package linux

import (
	"muster/kernel/clock"
	"muster/kernel/cpu"
	"muster/kernel/percpu"
)

// Interval timers: three that every process has, on the machine's time, on its CPU
// time outside the core, and on all its CPU time.
const (
	itimerReal    = 0
	itimerVirtual = 1
	itimerProf    = 2
)

// intervalSignal is the signal of each.
var intervalSignal = [3]uint64{itimerReal: SIGALRM, itimerVirtual: SIGVTALRM, itimerProf: SIGPROF}

// loadTimeval reads seconds and microseconds.
func loadTimeval(c *percpu.CPU, t *Task, addr uintptr) (clock.Time, Errno) {
	sec, ok := t.Space.Load64(c, addr)
	us, ok2 := t.Space.Load64(c, addr+8)
	if !ok || !ok2 {
		return 0, EFAULT
	}
	return spanOf(sec, us, 1e6)
}

func storeTimeval(c *percpu.CPU, t *Task, addr uintptr, v clock.Time) bool {
	return t.Space.Store64(c, addr, uint64(v/clock.Second)) &&
		t.Space.Store64(c, addr+8, uint64(v%clock.Second/clock.Microsecond))
}

func sysGetitimer(c *percpu.CPU, t *Task, f *cpu.Frame) (*percpu.CPU, uint64) {
	which := uintArg(f.DI)
	if which > itimerProf {
		return c, errno(EINVAL)
	}
	var left, every clock.Time
	t.proc.mu.Lock(c)
	if tm := t.proc.timers.interval[which]; tm != nil {
		tm.mu.Lock(c)
		left, every = tm.left(c)
		tm.mu.Unlock(c)
	}
	t.proc.mu.Unlock(c)
	if !storeItimerval(c, t, uintptr(f.SI), every, left) {
		return c, errno(EFAULT)
	}
	return c, 0
}

// storeItimerval stores an interval and a time; less than a microsecond is shown as one,
// because 0 says that the timer is off.
func storeItimerval(c *percpu.CPU, t *Task, addr uintptr, every, left clock.Time) bool {
	if left > 0 {
		left = max(left, clock.Microsecond)
	}
	return storeTimeval(c, t, addr, every) && storeTimeval(c, t, addr+16, left)
}

func sysSetitimer(c *percpu.CPU, t *Task, f *cpu.Frame) (*percpu.CPU, uint64) {
	which := uintArg(f.DI)
	var every, value clock.Time
	if f.SI != 0 {
		var e Errno
		if every, e = loadTimeval(c, t, uintptr(f.SI)); e != 0 {
			return c, errno(e)
		}
		if value, e = loadTimeval(c, t, uintptr(f.SI)+16); e != 0 {
			return c, errno(e)
		}
	}
	if which > itimerProf {
		return c, errno(EINVAL)
	}
	left, before, e := t.setInterval(c, which, value, every)
	switch {
	case e != 0:
		return c, errno(e)
	case f.DX != 0 && !storeItimerval(c, t, uintptr(f.DX), before, left):
		return c, errno(EFAULT)
	}
	return c, 0
}

// sysAlarm sets the timer on the machine's time, in seconds.
func sysAlarm(c *percpu.CPU, t *Task, f *cpu.Frame) (*percpu.CPU, uint64) {
	left, _, e := t.setInterval(c, itimerReal, clock.Time(uint32(f.DI))*clock.Second, 0)
	if e != 0 {
		return c, errno(e)
	}
	if left > 0 {
		left = max(left+clock.Second/2, clock.Second) // rounded, but never to "none"
	}
	return c, uint64(left / clock.Second)
}

// setInterval sets an interval timer, and makes it at the first time.
func (t *Task) setInterval(c *percpu.CPU, which uint64, value, every clock.Time) (left, before clock.Time, e Errno) {
	p := t.proc
	p.mu.Lock(c)
	tm := p.timers.interval[which]
	p.mu.Unlock(c)
	var made *timer
	if tm == nil {
		if made = newTimer(c, p); made == nil {
			return 0, 0, ENOMEM
		}
		made.sig, made.internal = intervalSignal[which], true
	}
	p.mu.Lock(c)
	if tm = p.timers.interval[which]; tm == nil {
		tm, made = made, nil
		switch which {
		case itimerVirtual:
			p.timers.virtual.add(tm)
		case itimerProf:
			p.timers.cpu.add(tm)
		}
		p.timers.interval[which] = tm
	}
	tm.mu.Lock(c)
	left, before = tm.setTime(c, value, every, false)
	tm.mu.Unlock(c)
	p.mu.Unlock(c)
	if made != nil { // another task has made one meanwhile
		made.free(c)
	}
	return left, before, 0
}
