package sched

import (
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"

	"muster/kernel/apic"
	"muster/kernel/clock"
	"muster/kernel/cpu"
	"muster/kernel/ipi"
	"muster/kernel/layout"
	"muster/kernel/percpu"
	"muster/kernel/upcall"
	"muster/kernel/vector"
)

// single is one CPU with a thread that runs on it. It is a variable, as the CPU's block
// has addresses of its parts.
var single struct {
	c         percpu.CPU
	q         runQueue
	idle, run Thread
	apic      [layout.PageSize / 8]uint64
}

// oneCPU makes the single CPU anew.
func oneCPU(t *testing.T) (c *percpu.CPU, q *runQueue, run *Thread) {
	m := &single
	m.c, m.q, m.idle, m.run = percpu.CPU{}, runQueue{}, Thread{}, *thread(1, ClassUser)
	m.q.init(&m.idle)
	m.c.Sched = uintptr(unsafe.Pointer(&m.q))
	m.c.Current = uintptr(unsafe.Pointer(&m.run))
	apic.Use(false, uintptr(unsafe.Pointer(&m.apic)))
	clock.SetHz(1e9)
	SetTick(10 * clock.Millisecond)
	t.Cleanup(func() { upcall.To.ThreadWork = nil })
	return &m.c, &m.q, &m.run
}

// Leave goes on until there is nothing to do: work can bring more work, and a request
// for a switch. The last work says how to leave.
func TestLeave(t *testing.T) {
	const signal = 1
	c, _, run := oneCPU(t)
	var how []uintptr
	upcall.To.ThreadWork = func(c *percpu.CPU, _ *cpu.Frame, before uintptr) (*percpu.CPU, uintptr) {
		require.Zero(t, c.Resched, "the switch comes first")
		how = append(how, before)
		run.Work.Store(signal)
		switch len(how) {
		case 2:
			c.Resched = 1
		case 3:
			run.Work.Store(0)
			c.Resched = 1
		}
		return c, before + 1
	}
	require.False(t, Pending(c))
	require.Equal(t, uintptr(7), Leave(c, nil, 7), "nothing to do")
	c.Resched = 1
	require.True(t, Pending(c), "a switch")
	require.Equal(t, uintptr(7), Leave(c, nil, 7))
	require.False(t, Pending(c))
	run.Work.Store(signal)
	require.True(t, Pending(c), "work")
	c.Resched = 1
	require.Equal(t, uintptr(10), Leave(c, nil, 7))
	require.Equal(t, []uintptr{7, 8, 9}, how)
	require.False(t, Pending(c))
}

// A thread that gets work before it first runs does the work first.
func TestThreadStartDoesWork(t *testing.T) {
	c, q, run := oneCPU(t)
	q.prev, q.how = q.idle, leaveIdle
	run.Work.Store(1)
	done := false
	upcall.To.ThreadWork = func(c *percpu.CPU, _ *cpu.Frame, how uintptr) (*percpu.CPU, uintptr) {
		done = true
		run.Work.Store(0)
		return c, how
	}
	ThreadStart(c, nil)
	require.True(t, done)
}

// The timer's interrupt answers the request of an IPI that was lost, or was put off.
func TestTimerAnswersLostIPI(t *testing.T) {
	c, _, _ := oneCPU(t)
	answered := 0
	ipi.Handle(ipi.Call, func(*percpu.CPU, *cpu.Frame) { answered++ })
	c.Pending.Store(1 << ipi.Call)
	onTimer(c, &cpu.Frame{Vector: vector.Timer})
	require.Equal(t, 1, answered)
	require.Zero(t, c.Pending.Load(), "the next sender sends an IPI again")
	onTimer(c, &cpu.Frame{Vector: vector.Timer})
	require.Equal(t, 1, answered)
}

// A CPU that was kept from its ticks makes one of them, not all at once.
func TestLostTicksAreNotMadeUpFor(t *testing.T) {
	for range 100 {
		c, q, _ := oneCPU(t)
		began := clock.Now()
		q.nextTick = began - 100*tickPeriod
		onTimer(c, &cpu.Frame{Vector: vector.Timer})
		onTimer(c, &cpu.Frame{Vector: vector.Timer})
		if clock.Now()/tickPeriod != began/tickPeriod {
			continue // the time of the next tick came meanwhile
		}
		require.Equal(t, uint64(1), c.Ticks.Load())
		require.Greater(t, q.nextTick, clock.Now())
		return
	}
	require.Fail(t, "a tick came during each of 100 tries")
}
