package linux

import (
	"muster/kernel/clock"
	"muster/kernel/cpu"
	"muster/kernel/list"
	"muster/kernel/lock"
	"muster/kernel/mem"
	"muster/kernel/percpu"
	"muster/kernel/sched"
)

// futexBucket holds the tasks that wait at addresses which hash to it.
type futexBucket struct {
	mu    lock.Spin
	tasks list.List // by Wait
	_     [32]byte
}

// futexBuckets is a power of two. A wait takes one bucket's lock, so the number of
// buckets bounds contention, not the number of waiters.
const futexBuckets = 256

var futexes [futexBuckets]futexBucket

func initFutexes() {
	for i := range futexes {
		futexes[i].mu.Rank = lock.RankFutex
	}
}

func bucketOf(s *mem.Space, addr uintptr) *futexBucket {
	h := uint64(addr>>2) * 0x9e3779b97f4a7c15
	return &futexes[(h>>32^uint64(s.Key()))%futexBuckets]
}

// Operations of futex.
const (
	futexWait       = 0
	futexWake       = 1
	futexWaitBitset = 9
	futexWakeBitset = 10
	futexPrivate    = 128
	futexRealtime   = 256
	futexMatchAny   = 0xffffffff
)

func sysFutex(c *percpu.CPU, t *Task, f *cpu.Frame) (*percpu.CPU, uint64) {
	addr, op := uintptr(f.DI), f.SI&^(futexPrivate|futexRealtime)
	if addr&3 != 0 {
		return c, errno(EINVAL)
	}
	switch op {
	case futexWait, futexWaitBitset:
		if op == futexWaitBitset && uint32(f.R9) != futexMatchAny {
			return c, errno(ENOSYS)
		}
		deadline := clock.Never
		if f.R10 != 0 {
			ns, e := loadTimespec(c, t, uintptr(f.R10))
			if e != 0 {
				return c, errno(e)
			}
			switch {
			case op == futexWait:
				deadline = later(clock.Now(), ns)
			case f.SI&futexRealtime != 0:
				deadline = ns - clock.Time(clock.Epoch())
			default:
				deadline = ns
			}
		}
		return waitFutex(c, t, addr, uint32(f.DX), deadline)
	case futexWake, futexWakeBitset:
		if op == futexWakeBitset && uint32(f.R9) != futexMatchAny {
			return c, errno(ENOSYS)
		}
		return wakeFutex(c, t, addr, int32(f.DX))
	}
	return c, errno(ENOSYS)
}

// waitFutex waits at addr while the word there is want. The comparison and the
// queueing are one step for wakers, which take the bucket's lock too. The word is
// read without bringing its page in, because that takes locks. If the page is
// absent, it is brought in without the lock, and the wait begins again.
func waitFutex(c *percpu.CPU, t *Task, addr uintptr, want uint32, deadline clock.Time) (*percpu.CPU, uint64) {
	s := t.Space
	b := bucketOf(s, addr)
	for {
		b.mu.Lock(c)
		v, ok := s.Peek32(c, addr)
		if ok && v == want {
			break
		}
		b.mu.Unlock(c)
		if ok {
			return c, errno(EAGAIN)
		}
		if _, ok = s.Load32(c, addr); !ok {
			return c, errno(EFAULT)
		}
	}
	t.futexSpace, t.futexAddr = s, addr
	b.tasks.Push(&t.Wait)
	b.mu.Unlock(c)
	for {
		var expired bool
		c, expired = sched.ParkUntil(c, deadline)
		b.mu.Lock(c)
		if !t.Wait.Linked() {
			b.mu.Unlock(c)
			return c, 0
		}
		if expired || t.interrupted() {
			b.tasks.Remove(&t.Wait)
			b.mu.Unlock(c)
			if expired {
				return c, errno(ETIMEDOUT)
			}
			return c, errno(EINTR)
		}
		b.mu.Unlock(c)
	}
}

// wakeBatch is the number of tasks that are woken in one critical section.
const wakeBatch = 64

// wakeFutex wakes up to n tasks that wait at addr and returns their number.
func wakeFutex(c *percpu.CPU, t *Task, addr uintptr, n int32) (*percpu.CPU, uint64) {
	b := bucketOf(t.Space, addr)
	woken := int32(0)
	for {
		batch := 0
		b.mu.Lock(c)
		for node := b.tasks.First(); node != nil && woken < n && batch < wakeBatch; {
			w := waiter(node)
			node = b.tasks.Next(node)
			if w.futexAddr == addr && w.futexSpace == t.Space {
				b.tasks.Remove(&w.Wait)
				sched.Unpark(c, w.thread()) // under the lock: w cannot return from its wait before
				woken++
				batch++
			}
		}
		b.mu.Unlock(c)
		if batch < wakeBatch {
			return c, uint64(woken)
		}
		c = sched.Breathe(c)
	}
}
