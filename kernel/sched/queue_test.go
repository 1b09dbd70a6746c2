package sched

import (
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"

	"muster/kernel/percpu"
	"muster/kernel/tree"
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

// The timer queue keeps its earliest time while timers come and go.
func TestTimerQueue(t *testing.T) {
	q := &timerQueue{}
	q.init()
	timers := make([]*Timer, 5)
	for i, at := range []uint64{50, 20, 40, 20, 30} {
		timers[i] = &Timer{node: tree.Node{Key: at}, queue: q, armed: true}
		q.tree.Insert(&timers[i].node)
	}
	q.setFirst(20)
	q.remove(timers[1])
	require.EqualValues(t, 20, q.earliest(), "another one is due at the same time")
	q.remove(timers[3])
	require.EqualValues(t, 30, q.earliest())
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
	require.Zero(t, unsafe.Offsetof(Thread{}.fx), "FXSAVE needs 16 bytes' alignment")
}

func TestStackUse(t *testing.T) {
	stack := make([]uint64, StackSize/8)
	low := uintptr(unsafe.Pointer(&stack[0]))
	require.Equal(t, uint64(8), used(low))
	stack[len(stack)-100] = 1
	require.Equal(t, uint64(800), used(low))
}
