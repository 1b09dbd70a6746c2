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

// parking is a thread that parks once, and what makes it run again.
type parking struct {
	t        Thread
	runnable atom.Uint32
	enqueued atom.Uint32
}

// enqueue stands for a run queue that the thread's CPU looks at.
func (p *parking) enqueue() {
	p.enqueued.Add(1)
	if p.runnable.Swap(1) != 0 {
		panic("enqueued twice")
	}
}

// park is Park with the switch of stacks left out: the CPU goes on as if it had
// left the thread, and comes back when the thread is runnable.
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

// A thread parks while others wake it: it always goes on, and is never queued twice.
func TestParkIsNeverLost(t *testing.T) {
	for _, wakers := range []int{1, 2} {
		r := explore.Run(explore.Model{Preemptions: 4, Setup: func() ([]func(), func() error) {
			p := &parking{}
			programs := []func(){func() { p.park(p.t.takeToken, p.t.nowParked) }}
			for range wakers {
				programs = append(programs, p.unpark)
			}
			return programs, func() error { return nil }
		}})
		t.Log(r)
		require.NoError(t, r.Err)
		require.True(t, r.Complete)
	}
}

// Negative control: a thread that looks for the token before it is seen as parked
// can sleep for ever.
func TestWrongOrderIsFound(t *testing.T) {
	r := explore.Run(explore.Model{Preemptions: 2, Setup: func() ([]func(), func() error) {
		p := &parking{}
		wrong := func() bool {
			token := p.t.token.Load() != 0
			p.t.state.Store(stParked)
			return token && p.t.state.CompareAndSwap(stParked, stReady)
		}
		return []func(){func() { p.park(p.t.takeToken, wrong) }, p.unpark}, func() error { return nil }
	}})
	require.ErrorContains(t, r.Err, "waits for ever")
}

// machine is a few CPUs with queues, whose interrupts are flags.
type machine struct {
	cpus   []*percpu.CPU
	queues []*runQueue
	ipi    []atom.Uint32
	words  [1]uint64
	table  []*percpu.CPU // percpu knows it by its address alone
	ran    atom.Uint32
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
		q.init(&Thread{})
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

// idleLoop is Idle of a CPU: it runs what it finds until all are done.
func (m *machine) idleLoop(id, threads int, look func(*percpu.CPU) *Thread) func() {
	return func() {
		for m.ran.Load() < uint32(threads) {
			if t := look(m.cpus[id]); t != nil {
				if t.state.Swap(stRunning) != stReady {
					panic("ran a thread that was not ready")
				}
				if m.ran.Add(1) == uint32(threads) {
					for i := range m.ipi { // so that the others see the end
						m.ipi[i].Store(1)
					}
				}
				continue
			}
			for m.ipi[id].Load() == 0 { // HLT: an interrupt that came before ends it too
				atom.Pause()
			}
			m.ipi[id].Store(0)
			ipi.Take(m.cpus[id], ipi.Reschedule)
		}
	}
}

func ready(last uint32) *Thread {
	t := &Thread{Class: ClassKernel}
	t.state.Store(stReady)
	t.cpu.Store(last)
	return t
}

// A waker puts a thread on a CPU that is just going idle.
func TestIdleMissesNoThread(t *testing.T) {
	r := explore.Run(explore.Model{Preemptions: 3, Setup: func() ([]func(), func() error) {
		m := newMachine(2)
		m.queues[0].running.Store(uint32(ClassKernel))
		return []func(){
			func() { enqueue(m.cpus[0], ready(1)) },
			m.idleLoop(1, 1, look),
		}, func() error { return nil }
	}})
	t.Log(r)
	require.NoError(t, r.Err)
	require.True(t, r.Complete)
}

// A busy CPU makes two threads ready that it ran last itself; the idle ones take
// both: no thread waits while a CPU sleeps.
func TestIdleTakesWork(t *testing.T) {
	r := explore.Run(explore.Model{Preemptions: 2, MaxRuns: 60000, Setup: func() ([]func(), func() error) {
		m := newMachine(3)
		m.queues[0].running.Store(uint32(ClassKernel))
		return []func(){
			func() { enqueue(m.cpus[0], ready(0)); enqueue(m.cpus[0], ready(0)) },
			m.idleLoop(1, 2, look),
			m.idleLoop(2, 2, look),
		}, func() error { return nil }
	}})
	t.Log(r)
	require.NoError(t, r.Err)
}

// Negative control: a CPU that looks at the queues before it announces itself as
// idle sleeps beside a ready thread.
func TestLookBeforeAnnounceIsFound(t *testing.T) {
	wrong := func(c *percpu.CPU) *Thread {
		next := local(c).take(c, classes, false)
		if next == nil {
			next = steal(c)
		}
		if next == nil {
			idle.Set(c.ID)
		}
		return next
	}
	r := explore.Run(explore.Model{Preemptions: 2, Setup: func() ([]func(), func() error) {
		m := newMachine(2)
		m.queues[0].running.Store(uint32(ClassKernel))
		m.queues[1].running.Store(uint32(ClassKernel)) // not seen as idle yet
		return []func(){
			func() { enqueue(m.cpus[0], ready(0)) },
			m.idleLoop(1, 1, wrong),
		}, func() error { return nil }
	}})
	require.ErrorContains(t, r.Err, "waits for ever")
}
