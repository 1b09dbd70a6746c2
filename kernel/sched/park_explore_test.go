//go:build explore

package sched

import (
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"

	"muster/kernel/apic"
	"muster/kernel/atom"
	"muster/kernel/explore"
	"muster/kernel/ipi"
	"muster/kernel/percpu"
)

// parking is a thread that parks once, and the events that make it run again.
type parking struct {
	t        Thread
	runnable atom.Uint32
	enqueued atom.Uint32
}

// enqueue is the run queue that the thread's CPU looks at.
func (p *parking) enqueue() {
	p.enqueued.Add(1)
	if p.runnable.Swap(1) != 0 {
		panic("enqueued twice")
	}
}

// park is Park without the switch of stacks: the CPU goes on as if it had left the
// thread, and comes back when the thread is runnable.
func (p *parking) park(take func() bool, parked func() bool) {
	for !take() {
		if parked() {
			p.enqueue()
		}
		for p.runnable.Load() == 0 {
			atom.Pause()
		}
		p.runnable.Store(0)
		p.t.state.Store(stRunning)
	}
}

func (p *parking) unpark() {
	if p.t.leaveToken() {
		p.enqueue()
	}
}

// parks searches a thread that parks while others wake it. parked is what its CPU
// does when it has left the thread's stack.
func parks(wakers int, parked func(*Thread) bool) explore.Result {
	return explore.Run(explore.Model{Preemptions: explore.Unbounded, Setup: func() ([]func(), func() error) {
		p := &parking{}
		programs := []func(){func() { p.park(p.t.takeToken, func() bool { return parked(&p.t) }) }}
		for range wakers {
			programs = append(programs, p.unpark)
		}
		return programs, func() error { return nil }
	}})
}

// The thread always goes on, and is never queued twice.
func TestParkIsNeverLost(t *testing.T) {
	for _, wakers := range []int{1, 2, 3} {
		r := parks(wakers, (*Thread).nowParked)
		t.Log(r)
		require.NoError(t, r.Err)
		require.True(t, r.Complete)
	}
}

// Negative control: a thread whose CPU looks for the token before it marks the
// thread as parked can sleep forever.
func TestWrongOrderIsFound(t *testing.T) {
	r := parks(1, func(x *Thread) bool {
		token := x.token.Load() != 0
		x.state.Store(stParked)
		return token && x.state.CompareAndSwap(stParked, stReady)
	})
	require.ErrorContains(t, r.Err, "waits forever")
	t.Log(r)
}

// A signal can find a thread by its id before the thread has been made: it leaves a
// token, and the thread runs from Start on.
func TestNewThreadWaitsForStart(t *testing.T) {
	m := newMachine(1)
	c, x := m.cpus[0], thread(1, ClassUser)
	x.state.Store(stNew)
	Unpark(c, x)
	require.Zero(t, m.queues[0].count.Load())
	Start(c, x, 0)
	require.Equal(t, uint32(1), m.queues[0].count.Load())
	require.Same(t, x, m.queues[0].next(c, m.queues[0].idle, leaveIdle, 0))
	require.True(t, x.takeToken())
}

// machine is a few CPUs with queues, whose interrupts are flags.
type machine struct {
	cpus   []*percpu.CPU
	queues []*runQueue
	ipi    []atom.Uint32
	words  [1]uint64
	table  []*percpu.CPU // percpu has its address alone
	ran    atom.Uint32

	threads [2]Thread // of models that find a thread by the address of a part
}

func newMachine(n int) *machine {
	m := &machine{ipi: make([]atom.Uint32, n)}
	percpu.Reset()
	m.table = make([]*percpu.CPU, n)
	for i := range n {
		c := &percpu.CPU{}
		c.Init(uint32(i))
		c.APICID = uint32(i)
		q := &runQueue{}
		x := thread(0, ClassKernel)
		x.cpu.Store(c.ID)
		q.init(x)
		c.Sched = uintptr(unsafe.Pointer(q))
		m.cpus, m.queues = append(m.cpus, c), append(m.queues, q)
		percpu.Register(c)
		if i == 0 {
			percpu.SetTable(uintptr(unsafe.Pointer(&m.table[0])), uint32(n))
		}
	}
	idle.Init(uintptr(unsafe.Pointer(&m.words)), uint32(n))
	apic.Sent = func(dest, _ uint32) { m.ipi[dest].Store(1) }
	return m
}

// idleLoop is Idle of a CPU: it runs the threads that it finds until all are done.
func (m *machine) idleLoop(id, threads int, look func(*percpu.CPU) *Thread) func() {
	return func() {
		for m.ran.Load() < uint32(threads) {
			if t := look(m.cpus[id]); t != nil {
				if t.state.Swap(stRunning) != stReady {
					panic("ran a thread that was not ready")
				}
				if m.ran.Add(1) == uint32(threads) {
					for i := range m.ipi { // wakes the others, which then see the end
						m.ipi[i].Store(1)
					}
				}
				continue
			}
			c := m.cpus[id]
			c.Resched = 0
			for again := true; again; again = m.ran.Load() < uint32(threads) && m.queues[id].stays(c) {
				for m.ipi[id].Load() == 0 { // HLT: an interrupt that came before ends it too
					atom.Pause()
				}
				m.ipi[id].Store(0)
				c.Resched = ipi.Take(c, ipi.Reschedule) >> ipi.Reschedule & 1
			}
		}
	}
}

func ready(last uint32) *Thread {
	t := thread(0, ClassKernel)
	t.state.Store(stReady)
	t.cpu.Store(last)
	return t
}

// busy searches a machine whose CPU 0 runs a thread and makes others ready by wake, which
// the CPU last has run before, while all other CPUs become idle. look is what an
// idle CPU does.
func busy(cpus, threads, preemptions int, last uint32, wake func(*percpu.CPU, *Thread), look func(*percpu.CPU) *Thread) explore.Result {
	return explore.Run(explore.Model{Preemptions: preemptions, Setup: func() ([]func(), func() error) {
		m := newMachine(cpus)
		m.queues[0].running.Store(levelKernel)
		programs := []func(){func() {
			for range threads {
				wake(m.cpus[0], ready(last))
				m.queues[0].sendKicks(m.cpus[0])
			}
		}}
		for id := 1; id < cpus; id++ {
			programs = append(programs, m.idleLoop(id, threads, look))
		}
		return programs, func() error { return nil }
	}})
}

// A waker puts a thread on a CPU that is becoming idle: that CPU runs it.
func TestIdleMissesNoThread(t *testing.T) {
	r := busy(2, 1, explore.Unbounded, 1, enqueue, look)
	t.Log(r)
	require.NoError(t, r.Err)
	require.True(t, r.Complete)
}

// Negative control: a waker that looks whether the CPU is idle, and then queues the
// thread.
func TestLookBeforeQueueIsFound(t *testing.T) {
	r := busy(2, 1, explore.Unbounded, 1, func(c *percpu.CPU, x *Thread) {
		to := percpu.Get(x.cpu.Load())
		_, sleeps := claim(to.ID)
		local(to).add(c, x)
		if sleeps {
			kick(c, to)
		}
	}, look)
	require.ErrorContains(t, r.Err, "waits forever")
	t.Log(r)
}

// A busy CPU makes threads ready that it has run before; the idle CPUs take them.
// No thread waits while a CPU sleeps.
func TestIdleTakesWork(t *testing.T) {
	for _, m := range []struct{ cpus, threads, preemptions int }{{2, 1, explore.Unbounded}, {2, 2, explore.Bound(3, explore.Unbounded)}, {3, 2, explore.Bound(2, 3)}} {
		r := busy(m.cpus, m.threads, m.preemptions, 0, enqueue, look)
		t.Log(r)
		require.NoError(t, r.Err)
		require.True(t, r.Complete)
	}
}

// Negative control: a CPU that looks at the queues before it announces itself as idle
// sleeps beside a ready thread.
func TestLookBeforeAnnounceIsFound(t *testing.T) {
	r := busy(2, 1, explore.Unbounded, 0, enqueue, func(c *percpu.CPU) *Thread {
		next := local(c).next(c, local(c).idle, leaveIdle, counter())
		if next == nil {
			next = steal(c)
		}
		if next == nil {
			idle.Set(c.ID)
		}
		return next
	})
	require.ErrorContains(t, r.Err, "waits forever")
	t.Log(r)
}
