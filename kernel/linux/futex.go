package linux

import (
	"unsafe"

	"muster/kernel/clock"
	"muster/kernel/cpu"
	"muster/kernel/layout"
	"muster/kernel/percpu"
	"muster/kernel/sched"
)

// Operations of futex, and flags beside them.
const (
	futexWait       = 0
	futexWake       = 1
	futexRequeue    = 3
	futexCmpRequeue = 4
	futexWakeOp     = 5
	futexWaitBitset = 9
	futexWakeBitset = 10
	futexPrivate    = 128
	futexRealtime   = 256
	futexMatchAny   = 0xffffffff
)

// sysFutex answers all operations but those of priority inheritance. A word belongs to one process here, as no memory is
// shared between processes, so FUTEX_PRIVATE_FLAG makes no difference.
func sysFutex(c *percpu.CPU, t *Task, f *cpu.Frame) (*percpu.CPU, uint64) {
	switch { // what runtimes and libraries call most
	case f.SI == futexWake|futexPrivate:
		return wakeFutex(c, t, uintptr(f.DI), int32(f.DX), futexMatchAny)
	case f.SI == futexWait|futexPrivate && f.R10 == 0:
		return waitFutex(c, t, uintptr(f.DI), uint32(f.DX), futexMatchAny, clock.Never)
	}
	return anyFutex(c, t, f)
}

// anyFutex is sysFutex for all operations.
func anyFutex(c *percpu.CPU, t *Task, f *cpu.Frame) (*percpu.CPU, uint64) {
	op := uint32(f.SI) &^ (futexPrivate | futexRealtime)
	if f.SI&futexRealtime != 0 && op != futexWaitBitset {
		return c, errno(ENOSYS)
	}
	if f.SI&futexPrivate == 0 {
		if e := t.sharedWord(c, op, f); e != 0 {
			return c, errno(e)
		}
	}
	switch op {
	case futexWait:
		if f.R10 == 0 {
			return waitFutex(c, t, uintptr(f.DI), uint32(f.DX), futexMatchAny, clock.Never)
		}
		return timedFutex(c, t, f, futexMatchAny)
	case futexWaitBitset:
		return timedFutex(c, t, f, uint32(f.R9))
	case futexWake:
		return wakeFutex(c, t, uintptr(f.DI), int32(f.DX), futexMatchAny)
	case futexWakeBitset:
		return wakeFutex(c, t, uintptr(f.DI), int32(f.DX), uint32(f.R9))
	case futexRequeue:
		return requeueFutex(c, t, f, false)
	case futexCmpRequeue:
		return requeueFutex(c, t, f, true)
	case futexWakeOp:
		return changeAndWake(c, t, f)
	}
	return c, errno(ENOSYS)
}

// sharedWord checks the words of an operation that does not say that they are private: they
// must be there. Linux finds the pages of such words before it looks for waiters.
func (t *Task) sharedWord(c *percpu.CPU, op uint32, f *cpu.Frame) Errno {
	words := [2]uint64{f.DI, f.DI}
	switch op {
	case futexWake:
	case futexWakeBitset:
		if uint32(f.R9) == 0 {
			return EINVAL
		}
	case futexRequeue, futexCmpRequeue:
		if int32(f.DX) < 0 || int32(f.R10) < 0 {
			return EINVAL
		}
		words[1] = f.R8
	case futexWakeOp:
		words[1] = f.R8
	default:
		return 0
	}
	for i := range words { // a copy of the array would be moved by X0
		at := words[i]
		if at&3 != 0 {
			return EINVAL
		}
		if _, ok := t.Space.Load32(c, uintptr(at)); !ok {
			return EFAULT
		}
	}
	return 0
}

// timedFutex waits with the deadline of WAIT, which is a span, or of WAIT_BITSET,
// which is a time.
func timedFutex(c *percpu.CPU, t *Task, f *cpu.Frame, bits uint32) (*percpu.CPU, uint64) {
	deadline := clock.Never
	if f.R10 != 0 {
		ns, e := loadTimespec(c, t, uintptr(f.R10))
		switch {
		case e != 0:
			return c, errno(e)
		case uint32(f.SI)&^(futexPrivate|futexRealtime) == futexWait:
			deadline = later(clock.Now(), ns)
		case f.SI&futexRealtime != 0:
			deadline = ns - clock.Time(clock.Epoch())
		default:
			deadline = ns
		}
	}
	return waitFutex(c, t, uintptr(f.DI), uint32(f.DX), bits, deadline)
}

// waitFutex waits at addr while the word there is want, for a waker whose bits match.
// The comparison and the queueing are one step for wakers, which take the bucket's
// lock too. The word is read without bringing its page in, because that takes locks.
// If the page is absent, it is brought in without the lock, and the wait begins again.
func waitFutex(c *percpu.CPU, t *Task, addr uintptr, want, bits uint32, deadline clock.Time) (*percpu.CPU, uint64) {
	if addr&3 != 0 || bits == 0 {
		return c, errno(EINVAL)
	}
	b := t.proc.futexes.bucket(addr)
	for {
		b.mu.Lock(c)
		v, ok := t.Space.Peek32(c, addr)
		if ok && v == want {
			break
		}
		b.mu.Unlock(c)
		if ok {
			return c, errno(EAGAIN)
		}
		if _, ok = t.Space.Load32(c, addr); !ok {
			return c, errno(EFAULT)
		}
		// Another thread may take the page away each time.
		if c = sched.Breathe(c); t.interrupted() {
			return c, t.interruptFutex(addr, want, bits, deadline)
		}
	}
	t.wakers = bits
	t.taken.Publish(0) // no waker looks for t before b.mu is released
	b.join(c, t, addr)
	b.mu.Unlock(c)
	for {
		var expired bool
		c, expired = sched.ParkUntil(c, deadline)
		if t.taken.Load() != 0 {
			return c, 0
		}
		woken, left := t.leaveFutex(c, expired || t.interrupted()) // t may have been moved
		switch {
		case woken:
			return c, 0
		case !left:
			continue
		case expired:
			return c, errno(ETIMEDOUT)
		}
		return c, t.interruptFutex(addr, want, bits, deadline)
	}
}

// interruptFutex returns the restart code of a futex wait that a signal ends.
func (t *Task) interruptFutex(addr uintptr, want, bits uint32, deadline clock.Time) uint64 {
	if deadline == clock.Never {
		return errno(eRestart)
	}
	t.again.block = block{kind: blockFutex, until: deadline, addr: addr, want: want, bits: bits}
	return errno(eRestartBlock)
}

// wakeBatch is the number of tasks that are woken, moved or passed in one critical
// section. In a debug build, putting one of 5,000 threads into a queue takes 1.2 to 1.6 us, by the order of their deadlines.
const wakeBatch = 48

// wakeFutex wakes up to n tasks that wait at addr for a waker with one of bits, and
// returns their number. If there are very many waiters for other bits, the caller
// leaves its place between steps by standing in the queue itself.
func wakeFutex(c *percpu.CPU, t *Task, addr uintptr, n int32, bits uint32) (*percpu.CPU, uint64) {
	if addr&3 != 0 || bits == 0 {
		return c, errno(EINVAL)
	}
	if addr >= layout.UserEnd && t.proc.user {
		return c, errno(EFAULT)
	}
	b := t.proc.futexes.bucket(addr)
	b.mu.Lock(c)
	w := b.alone
	if w == nil || w.futexAddr != addr || w.wakers&bits == 0 {
		several := w == nil && (b.one != nil || b.others.Root != nil)
		b.mu.Unlock(c)
		if several {
			return b.wakeSeveral(c, t, addr, n, bits)
		}
		return c, 0
	}
	b.alone = nil
	w.waits = false
	ready := sched.Prepare(w.thread()) // under the lock: see wake
	w.taken.Publish(1)                 // last: unless it is ready it may return from its wait, and end
	b.mu.Unlock(c)
	if ready {
		sched.Ready(c, w.thread())
	}
	return c, 1
}

// wakeSeveral is wakeFutex for a bucket with queues.
//
// Context: no lock held. The task goes on on the CPU that it returns.
func (b *futexBucket) wakeSeveral(c *percpu.CPU, t *Task, addr uintptr, n int32, bits uint32) (*percpu.CPU, uint64) {
	n = max(n, 1) // as Linux, which wakes one before it looks at the number
	for woken := int32(0); ; {
		var threads sched.Woken
		b.mu.Lock(c)
		k, more := b.wake(c, t, addr, n-woken, bits, &threads)
		b.mu.Unlock(c)
		threads.Ready(c)
		if woken += k; !more {
			return c, uint64(woken)
		}
		c = sched.Breathe(c)
	}
}

// wake wakes up to n waiters in one step, and goes on where t stands, if it does. The caller
// makes them run when it has released the lock. more says that the step ended before the queue did: t stands at its end then.
//
// Locks: b.mu held.
func (b *futexBucket) wake(c *percpu.CPU, t *Task, addr uintptr, n int32, bits uint32, threads *sched.Woken) (woken int32, more bool) {
	b.mu.AssertHeld(c)
	q := b.find(c, addr)
	if q == nil {
		return 0, false
	}
	node := q.tasks.First()
	if t.passes {
		node = q.tasks.Next(&t.Wait)
		b.leave(c, t)
		t.passes = false
	}
	for steps := 0; node != nil && woken < n; steps++ {
		w := waiter(node)
		if steps == wakeBatch {
			t.passes = true
			t.waits = true
			t.bucket.Store(uintptr(unsafe.Pointer(b)))
			b.enter(c, t, addr, node)
			return woken, true
		}
		node = q.tasks.Next(node)
		if !w.passes && w.wakers&bits != 0 {
			b.leave(c, w)
			threads.Prepare(w.thread()) // under the lock: w cannot return from its wait before
			w.taken.Publish(1)          // as in wakeFutex
			woken++
		}
	}
	return woken, false
}

// requeueFutex wakes up to DX of the tasks that wait at DI, and makes up to R10 of
// the others wait at R8. With compare, the word at DI must be R9.
func requeueFutex(c *percpu.CPU, t *Task, f *cpu.Frame, compare bool) (*percpu.CPU, uint64) {
	addr, to := uintptr(f.DI), uintptr(f.R8)
	wakes, moves := int32(f.DX), int32(f.R10)
	switch {
	case wakes < 0 || moves < 0 || (addr|to)&3 != 0:
		return c, errno(EINVAL)
	case t.proc.user && (addr >= layout.UserEnd || to >= layout.UserEnd):
		return c, errno(EFAULT)
	}
	c, there, woken, e := t.compareAndWake(c, addr, uint32(f.R9), compare, wakes)
	if e != 0 {
		return c, errno(e)
	}
	done := woken
	moves = min(moves, there-woken) // tasks that come later stay
	for moved := int32(0); moved < moves; {
		k := t.proc.futexes.move(c, addr, to, min(moves-moved, wakeBatch))
		if k == 0 {
			break
		}
		moved += k
		done += k
		c = sched.Breathe(c)
	}
	return c, uint64(done)
}

// compareAndWake wakes up to n of the tasks that wait at addr, with compare only if
// the word there is want. It returns the number of tasks that waited, and the number
// of those woken. The comparison and the first step of the wake-up exclude wakers and
// new waiters.
func (t *Task) compareAndWake(c *percpu.CPU, addr uintptr, want uint32, compare bool, n int32) (_ *percpu.CPU, there, woken int32, e Errno) {
	b := t.proc.futexes.bucket(addr)
	b.mu.Lock(c)
	for compare {
		v, ok := t.Space.Peek32(c, addr)
		if ok && v == want {
			break
		}
		b.mu.Unlock(c)
		if ok {
			return c, 0, 0, EAGAIN
		}
		if _, ok = t.Space.Load32(c, addr); !ok {
			return c, 0, 0, EFAULT
		}
		if c = sched.Breathe(c); t.interrupted() {
			return c, 0, 0, eRestart // nothing has been done yet
		}
		b.mu.Lock(c)
	}
	if q := b.find(c, addr); q != nil {
		there = int32(q.count)
	}
	var threads sched.Woken
	woken, more := b.wake(c, t, addr, n, futexMatchAny, &threads)
	b.mu.Unlock(c)
	threads.Ready(c)
	for more {
		c = sched.Breathe(c)
		b.mu.Lock(c)
		var k int32
		k, more = b.wake(c, t, addr, n-woken, futexMatchAny, &threads)
		b.mu.Unlock(c)
		threads.Ready(c)
		woken += k
	}
	return c, there, woken, 0
}
