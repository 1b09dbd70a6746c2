package sched

import (
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"

	"muster/kernel/clock"
	"muster/kernel/cpu"
	"muster/kernel/percpu"
	"muster/kernel/upcall"
)

func thread(id uint32, class Class) *Thread { return &Thread{ID: id, Class: class} }

// The better class goes first, and within a class the thread that came first.
func TestQueueOrder(t *testing.T) {
	c := &percpu.CPU{}
	q := &runQueue{}
	q.init(&Thread{})
	require.Nil(t, q.take(c, classes, false))
	for _, x := range []*Thread{thread(1, ClassUser), thread(2, ClassKernel), thread(3, ClassUser), thread(4, ClassKernel)} {
		q.put(c, x)
	}
	require.Equal(t, uint32(4), q.count.Load())
	require.Equal(t, uint32(2), q.take(c, classes, false).ID)
	require.Equal(t, uint32(4), q.take(c, ClassUser, false).ID)
	require.Nil(t, q.take(c, ClassUser, false), "none of a better class is left")
	require.Equal(t, uint32(1), q.take(c, classes, false).ID)
	require.Equal(t, uint32(3), q.take(c, classes, false).ID)
	require.Zero(t, q.count.Load())
}

// Another CPU takes the first thread that is not pinned, and the queue stays whole.
func TestPinnedThreadsStay(t *testing.T) {
	c := &percpu.CPU{}
	q := &runQueue{}
	q.init(&Thread{})
	for id, pinned := range []bool{true, false, true, false} {
		x := thread(uint32(id), ClassUser)
		x.pinned = pinned
		q.put(c, x)
	}
	require.Equal(t, uint32(1), q.take(c, classes, true).ID)
	require.Equal(t, uint32(3), q.take(c, classes, true).ID, "the last one")
	require.Nil(t, q.take(c, classes, true))
	q.put(c, thread(4, ClassUser))
	for _, want := range []uint32{0, 2, 4} {
		require.Equal(t, want, q.take(c, classes, false).ID)
	}
	require.Nil(t, q.take(c, classes, false))
}

// A mutex goes to the threads in the order in which they came, and is free after the last.
func TestMutexIsHandedOver(t *testing.T) {
	c := &percpu.CPU{}
	m := &Mutex{}
	m.Init()
	m.Lock(c)
	waiters := []*Thread{thread(1, ClassUser), thread(2, ClassUser), thread(3, ClassUser)}
	for _, x := range waiters {
		m.waiters.Push(&x.Wait)
	}
	for i, x := range waiters {
		m.Unlock(c)
		require.True(t, m.held, "handed over, not free")
		for j, y := range waiters {
			require.Equal(t, j <= i, y.granted)
		}
		require.True(t, x.takeToken())
	}
	m.Unlock(c)
	require.False(t, m.held)
	m.Lock(c)
	require.True(t, m.held)
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
