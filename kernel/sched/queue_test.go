package sched

import (
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"

	"muster/kernel/clock"
	"muster/kernel/cpu"
	"muster/kernel/lock"
	"muster/kernel/percpu"
	"muster/kernel/upcall"
)

// thread returns a thread of a class, which is in no queue.
func thread(id uint32, class Class) *Thread {
	t := &Thread{ID: id, level: levelKernel, turns: true}
	if class == ClassUser {
		t.level, t.turns = levelFair, false
	}
	t.share.init()
	t.binding.mu.Rank = lock.RankThread
	return t
}

// oneQueue returns a CPU and a queue of its own.
func oneQueue() (*percpu.CPU, *runQueue) {
	q := &runQueue{}
	q.init(thread(0, ClassKernel))
	setRequests(10 * clock.Millisecond)
	return &percpu.CPU{}, q
}

// charge is chargeThread up to now.
func (q *runQueue) charge(t *Thread) { q.chargeThread(t, cpu.TSC()) }

func (q *runQueue) add(c *percpu.CPU, t *Thread) { q.put(c, t) }

// takes returns the thread that runs after the one that runs, which goes back into the queue.
func (q *runQueue) takes(c *percpu.CPU, prev *Thread, how leaving, now uint64) *Thread {
	next := q.next(c, prev, how, now)
	if next != nil && how.isReady() {
		q.putBack(c, prev, how)
	}
	return next
}

// The better level goes first, and within a level the thread that came first.
func TestQueueOrder(t *testing.T) {
	c, q := oneQueue()
	require.Nil(t, q.next(c, q.idle, leaveIdle, 0))
	for _, x := range []*Thread{thread(1, ClassUser), thread(2, ClassKernel), thread(3, ClassUser), thread(4, ClassKernel)} {
		q.add(c, x)
	}
	require.Equal(t, uint32(4), q.count.Load())
	run := q.next(c, q.idle, leaveIdle, 0)
	require.Equal(t, uint32(2), run.ID)
	require.Equal(t, levelKernel, q.running.Load())
	require.Nil(t, q.next(c, run, leaveReady, 0), "none of a better level waits")
	next := q.takes(c, run, leaveYield, 0)
	require.Equal(t, uint32(4), next.ID, "its equal")
	require.Equal(t, uint32(2), q.next(c, next, leaveParked, 0).ID)
	fair := q.next(c, run, leaveParked, 0)
	require.Equal(t, uint32(1), fair.ID)
	require.Equal(t, levelFair, q.running.Load())
	require.Equal(t, uint32(3), q.next(c, fair, leaveParked, 0).ID)
	require.Zero(t, q.count.Load())
}

// Threads of the real-time class run in the order of their levels. One that is preempted goes before its
// equals, and one that yields goes after them.
func TestLevels(t *testing.T) {
	c, q := oneQueue()
	at := func(id uint32, l level) *Thread {
		x := thread(id, ClassKernel)
		x.level = l
		return x
	}
	for _, x := range []*Thread{at(1, 99), at(2, 64), at(3, 63), at(4, 1), at(5, 64), at(6, levelFair), at(7, 0)} {
		q.add(c, x)
	}
	run := q.next(c, q.idle, leaveIdle, 0)
	require.EqualValues(t, 7, run.ID)
	for _, want := range []uint32{4, 3, 2} {
		run = q.next(c, run, leaveParked, 0)
		require.Equal(t, want, run.ID)
	}
	q.add(c, at(8, 10))
	better := q.takes(c, run, leaveReady, 0)
	require.EqualValues(t, 8, better.ID)
	run = q.next(c, better, leaveParked, 0)
	require.EqualValues(t, 2, run.ID, "it was preempted")
	run = q.takes(c, run, leaveYield, 0)
	require.EqualValues(t, 5, run.ID, "the other one has yielded")
	for _, want := range []uint32{2, 1, 6} {
		run = q.next(c, run, leaveParked, 0)
		require.Equal(t, want, run.ID)
	}
	require.Nil(t, q.next(c, run, leaveParked, 0))
	require.Equal(t, levelIdle, q.running.Load())
	require.Zero(t, q.rt.filled)
}

// Another CPU takes a thread that may run there, and the queue stays whole.
func TestBoundThreadsStay(t *testing.T) {
	for _, class := range []Class{ClassKernel, ClassUser} {
		c, q := oneQueue()
		for id, pinned := range []bool{true, false, true, false} {
			x := thread(uint32(id), class)
			if pinned {
				x.bindTo(c, boundTo+1)
			}
			q.add(c, x)
		}
		require.Equal(t, uint32(1), q.pull(c, true).ID)
		require.Equal(t, uint32(3), q.pull(c, true).ID, "the last one")
		require.Nil(t, q.pull(c, true))
		q.add(c, thread(4, class))
		for _, want := range []uint32{0, 2, 4} {
			require.Equal(t, want, q.pull(c, false).ID)
		}
		require.Nil(t, q.pull(c, false))
		require.Zero(t, q.fair.load)
	}
}

// expire sets off what is due, the earliest first, a bounded number at a time.
func TestExpire(t *testing.T) {
	c := &percpu.CPU{}
	q := &timerQueue{}
	q.init()
	threads := make([]Thread, maxExpired+4)
	at := func(unit uint64) clock.Time { return clock.Time(unit << unitShift) }
	for i := range threads {
		x := &threads[i]
		x.state.Store(stRunning) // the token is enough
		q.add(&x.timer, unitOf(at(uint64(100+i))))
	}
	fired := func() (n int) {
		for i := range threads {
			if threads[i].token.Load() != 0 {
				n++
			}
		}
		return n
	}
	q.expire(c, nil, at(99))
	require.Zero(t, fired(), "none is due")
	q.expire(c, nil, at(101))
	require.Equal(t, 2, fired())
	require.True(t, threads[1].token.Load() != 0 && !threads[1].timer.armed)
	require.False(t, threads[1].disarm(c), "it has gone off")
	require.True(t, threads[2].disarm(c))
	require.Equal(t, at(103), q.earliest())
	q.expire(c, nil, at(1000))
	require.Equal(t, 2+maxExpired, fired(), "as many as one interrupt may")
	q.expire(c, nil, at(1000))
	require.Equal(t, 3+maxExpired, fired(), "all but the one that was withdrawn")
	require.EqualValues(t, clock.Never, q.earliest())
}

// The timer queue keeps its earliest time while timers come and go.
func TestTimerQueue(t *testing.T) {
	q := &timerQueue{}
	q.init()
	timers := make([]*Timer, 5)
	for i, at := range []uint64{50, 20, 40, 20, 30} {
		timers[i] = &Timer{}
		q.add(timers[i], at)
	}
	q.remove(timers[1])
	require.EqualValues(t, 20<<unitShift, q.earliest(), "another one is due at the same time")
	q.remove(timers[3])
	require.EqualValues(t, 30<<unitShift, q.earliest())
	q.remove(timers[4])
	q.remove(timers[2])
	q.remove(timers[0])
	require.Equal(t, int64(1<<63-1), int64(q.earliest()))
	require.False(t, timers[0].armed)
}

func TestThreadOfTimer(t *testing.T) {
	x := &Thread{ID: 9}
	require.Same(t, x, threadOf(&x.timer))
	require.Same(t, &x.timer, timerOf(&x.timer.node))
	require.Zero(t, unsafe.Offsetof(Thread{}.vectors), "XSAVE needs 64 bytes' alignment")
}

// usedStack is a variable: a stack may move, and the code knows the memory by its address alone.
var usedStack [StackSize / 8]uint64

func TestStackUse(t *testing.T) {
	stack := usedStack[:]
	low := uintptr(unsafe.Pointer(&stack[0]))
	require.Equal(t, uint64(8), used(low))
	stack[len(stack)-100] = 1
	require.Equal(t, uint64(800), used(low))
}

// sampler's parts lie here because the code under test gets their addresses as numbers, and
// a stack moves.
var sampler struct {
	r  runQueue
	tm Timer
}

// A sampler's timer makes its call once for each start, and a second start meanwhile
// changes nothing.
func TestSampler(t *testing.T) {
	defer func(before func(*percpu.CPU, *cpu.Frame, uintptr)) { upcall.To.Sample = before }(upcall.To.Sample)
	r, tm := &sampler.r, &sampler.tm
	r.timers.init()
	c := &percpu.CPU{Sched: uintptr(unsafe.Pointer(r))}
	f := &cpu.Frame{}
	calls := 0
	upcall.To.Sample = func(_ *percpu.CPU, got *cpu.Frame, timer uintptr) {
		require.Same(t, f, got)
		require.Equal(t, uintptr(unsafe.Pointer(tm)), timer)
		calls++
	}
	tm.StartSampler(c, c, 50<<unitShift)
	tm.StartSampler(c, c, 70<<unitShift)
	require.EqualValues(t, 50<<unitShift, r.timers.earliest())
	r.timers.expire(c, f, 100<<unitShift)
	r.timers.expire(c, f, 100<<unitShift)
	require.Equal(t, 1, calls)
	tm.StartSampler(c, c, 150<<unitShift)
	r.timers.expire(c, f, 200<<unitShift)
	require.Equal(t, 2, calls)
}
