package linux

import (
	"muster/kernel/clock"
	"muster/kernel/percpu"
)

// timeLimit is how long ppoll or select waits. The program's memory has the time, and
// gets the rest of it.
type timeLimit struct {
	at    uintptr // seconds and parts; 0: no limit
	parts uint64  // in a second
	until clock.Time
	now   bool // a time of 0: no wait
}

// limitAt reads a limit.
func (t *Task) limitAt(c *percpu.CPU, at uintptr, parts uint64) (l timeLimit, e Errno) {
	l = timeLimit{at: at, parts: parts, until: clock.Never}
	if at == 0 {
		return l, 0
	}
	sec, ok := t.Space.Load64(c, at)
	part, ok2 := t.Space.Load64(c, at+8)
	if !ok || !ok2 {
		return l, EFAULT
	}
	if parts == 1e6 && int64(sec) >= 0 && int64(part) >= 0 { // select accepts more than a second of them
		sec, part = sec+part/parts, part%parts
	}
	d, e := spanOf(sec, part, parts)
	l.now = d == 0
	l.until = later(clock.Now(), d)
	return l, e
}

// finish stores the rest of the time, and returns the result of the call: r, or how
// the call goes on after a signal.
func (l *timeLimit) finish(c *percpu.CPU, t *Task, r uint64) uint64 {
	again := r == errno(EINTR)
	if again {
		r = errno(eRestartNoHand)
	}
	if l.at == 0 || l.now {
		return r
	}
	now := clock.Now()
	rest := max(l.until, now) - now
	part := uint64(rest%clock.Second) / (1e9 / l.parts)
	if !(t.Space.Store64(c, l.at, uint64(rest/clock.Second)) && t.Space.Store64(c, l.at+8, part)) && again {
		r = errno(EINTR) // the call cannot go on with the rest
	}
	return r
}

// useMask makes the signal mask at an address, if there is one, that of the task for
// the time of a call.
func (t *Task) useMask(c *percpu.CPU, at uintptr, size uint64) Errno {
	if at == 0 {
		return 0
	}
	if size != 8 {
		return EINVAL
	}
	mask, ok := t.Space.Load64(c, at)
	if !ok {
		return EFAULT
	}
	t.saved, t.suspends = t.mask.Load(), true
	t.setMask(c, mask)
	return 0
}

// restoreMask undoes useMask at the end of a call with a result. If a signal has ended
// the call, its handler runs first, and returns to the old mask.
func (t *Task) restoreMask(c *percpu.CPU, r uint64) {
	if t.suspends && r != errno(EINTR) {
		t.suspends = false
		t.setMask(c, t.saved)
	}
}
