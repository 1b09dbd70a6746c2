//go:build explore

package sched

import (
	"errors"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"

	"muster/kernel/atom"
	"muster/kernel/explore"
	"muster/kernel/ipi"
	"muster/kernel/list"
	"muster/kernel/lock"
	"muster/kernel/mem"
	"muster/kernel/percpu"
	"muster/kernel/upcall"
)

// A thread's stack belongs to one CPU at a time: no CPU goes on with a thread, or uses a
// stack that came back, while another CPU has not left that stack. In these models each
// thread is a program of its own, which stops while no CPU runs the thread.

// strand is a thread and its stack.
type strand struct {
	t   *Thread
	run atom.Uint32 // one more than the number of the CPU that goes on with t; 0 for none
}

// crew is two CPUs with idle threads, and the threads that they run.
type crew struct {
	*machine
	code    switches
	strands []*strand
	low     []uintptr     // the stacks
	busy    []atom.Uint32 // by stack: a CPU is on it
	given   explore.Var   // stacks that came back
	count   uint32        // threads that are to end
}

// switches is the code under test.
type switches struct {
	leave func(*percpu.CPU, leaving) *percpu.CPU
	exit  func(*percpu.CPU)
}

var switchesShipped = switches{reschedule, Exit}

// finishFirst is reschedule with its last step before the switch: what becomes of the
// old thread is done while its stack is in use.
func finishFirst(c *percpu.CPU, how leaving) *percpu.CPU {
	q, prev := local(c), Current(c)
	next := q.next(c, prev, how, counter())
	if next == nil {
		next = q.idle
	}
	q.prev, q.how = prev, how
	finish(c)
	q.how = leaveIdle
	q.charge(prev)
	become(c, q, prev, next)
	return switchTo(c, prev, next)
}

var switchesEarly = switches{finishFirst, func(c *percpu.CPU) {
	Current(c).state.Store(stDead)
	finishFirst(c, leaveDead)
}}

var stackMemory [5][StackSize / 8]uint64

// hostOwn is the stacks that each CPU of a model has of its own.
var hostOwn [3 * mem.PerCPUMax / 8]uint64

// hostStacks makes all lists of stacks empty.
func hostStacks() {
	stacks.mu, stacks.kept, stacks.free = lock.Spin{Rank: lock.RankCache}, 0, list.Stack{}
	stacks.own = mem.PerCPU(unsafe.Pointer(&hostOwn))
	for id := range uint32(3) {
		*ownOf(id) = ownStacks{}
	}
}

func newCrew(code switches, threads uint32) *crew {
	m := &crew{machine: newMachine(2), code: code, busy: make([]atom.Uint32, len(stackMemory)), count: threads}
	hostStacks()
	for i := range stackMemory {
		m.low = append(m.low, uintptr(unsafe.Pointer(&stackMemory[i])))
	}
	for i, q := range m.queues {
		m.add(q.idle).Init(m.low[i], m.low[i]+StackSize, 0, ClassKernel, &mem.Kernel)
	}
	switched = m.switched
	upcall.To.Reap = m.reap
	return m
}

// add makes a thread one of the model's.
func (m *crew) add(t *Thread) *Thread {
	m.strands = append(m.strands, &strand{t: t})
	return t
}

// running makes a thread that a CPU runs.
func (m *crew) running(cpu int, class Class) *Thread {
	n := len(m.strands)
	t := m.add(&Thread{})
	t.Init(m.low[n], m.low[n]+StackSize, uint32(n), class, &mem.Kernel)
	t.state.Store(stRunning)
	t.cpu.Store(uint32(cpu))
	m.busy[n].Store(1)
	install(m.cpus[cpu], t)
	m.queues[cpu].choose(t)
	return t
}

// queued makes a thread that waits for a CPU.
func (m *crew) queued(cpu int) *Thread {
	n := len(m.strands)
	t := m.add(&Thread{})
	t.Init(m.low[n], m.low[n]+StackSize, uint32(n), ClassKernel, &mem.Kernel)
	t.cpu.Store(uint32(cpu))
	t.state.Store(stReady)
	m.queues[cpu].add(m.cpus[cpu], t)
	return t
}

func (m *crew) strand(t *Thread) *strand {
	for _, s := range m.strands {
		if s.t == t {
			return s
		}
	}
	panic("no such thread")
}

func (m *crew) stack(t *Thread) *atom.Uint32 {
	for i, low := range m.low {
		if low == t.StackLow {
			return &m.busy[i]
		}
	}
	panic("no such stack")
}

// ended unwinds the program of a thread that has ended.
type ended struct{}

// switched saves prev, and goes on with next.
func (m *crew) switched(c *percpu.CPU, prev, next *Thread) *percpu.CPU {
	dead := prev.state.Load() == stDead
	m.stack(prev).Store(0)
	if m.stack(next).Swap(1) != 0 {
		panic("two CPUs on one stack")
	}
	m.strand(next).run.Store(c.ID + 1)
	if dead {
		panic(ended{})
	}
	return m.resumed(prev)
}

// resumed waits until a CPU goes on with a thread.
func (m *crew) resumed(t *Thread) *percpu.CPU {
	s := m.strand(t)
	for s.run.Load() == 0 {
		atom.Pause()
	}
	return m.cpus[s.run.Swap(0)-1]
}

// reap takes the stack of a thread that has ended, as linux.Reap does.
func (m *crew) reap(c *percpu.CPU, thread uintptr) {
	FreeStack(c, (*Thread)(unsafe.Pointer(thread)).StackLow)
	m.given.Add(1)
	if m.ran.Add(1) == m.count {
		for i := range m.ipi {
			m.ipi[i].Store(1)
		}
	}
}

// program is a thread from its first switch on, or from where it runs.
func (m *crew) program(t *Thread, runs *percpu.CPU, body func(*percpu.CPU) *percpu.CPU) func() {
	return func() {
		defer func() {
			if r := recover(); r != nil && r != (ended{}) {
				panic(r)
			}
		}()
		c := runs
		if c == nil {
			c = m.resumed(t)
			finish(c) // as ThreadStart, and Leave
			local(c).sendKicks(c)
		}
		m.code.exit(body(c))
	}
}

// rest is a CPU's idle thread, to which the CPU comes from its first thread.
func (m *crew) rest(cpu int) func() {
	return func() {
		c := m.resumed(m.queues[cpu].idle)
		finish(c)
		for m.ran.Load() < m.count {
			m.queues[cpu].sendKicks(c)
			if next := look(c); next != nil {
				runFromIdle(c, next)
				continue
			}
			for m.ipi[cpu].Load() == 0 {
				atom.Pause()
			}
			m.ipi[cpu].Store(0)
			ipi.Take(c, ipi.Reschedule)
		}
	}
}

// leaves are the ways in which a thread leaves a CPU's stack, each with another CPU that
// is after the thread or the stack.
var leaves = map[string]func(m *crew) []func(){
	"a thread that ends, and a new one on its stack": func(m *crew) []func() {
		x, maker, fresh := m.running(0, ClassKernel), m.running(1, ClassKernel), m.add(&Thread{})
		return []func(){
			m.program(x, m.cpus[0], func(c *percpu.CPU) *percpu.CPU { return c }),
			m.program(maker, m.cpus[1], func(c *percpu.CPU) *percpu.CPU {
				explore.Until(func() bool { return m.given.Get() != 0 })
				low, top, ok := AllocStack(c)
				if !ok {
					panic("no stack")
				}
				fresh.Init(low, top, 9, ClassKernel, &mem.Kernel)
				Start(c, fresh, c.ID)
				return c
			}),
			m.program(fresh, nil, func(c *percpu.CPU) *percpu.CPU { return c }),
		}
	},
	"a thread that parks, and a waker": func(m *crew) []func() {
		x, waker := m.running(0, ClassKernel), m.running(1, ClassKernel)
		other := m.queued(0) // CPU 0 runs it next, so the other CPU may take x
		return []func(){
			m.program(x, m.cpus[0], func(c *percpu.CPU) *percpu.CPU {
				for !x.takeToken() {
					c = m.code.leave(c, leaveParked)
				}
				return c
			}),
			m.program(waker, m.cpus[1], func(c *percpu.CPU) *percpu.CPU {
				Unpark(c, x)
				return c
			}),
			m.program(other, nil, func(c *percpu.CPU) *percpu.CPU { return c }),
		}
	},
	"a thread that yields, and a CPU that becomes idle": func(m *crew) []func() {
		x, other, last := m.running(0, ClassKernel), m.queued(0), m.running(1, ClassKernel)
		nothing := func(c *percpu.CPU) *percpu.CPU { return c }
		return []func(){
			m.program(x, m.cpus[0], func(c *percpu.CPU) *percpu.CPU { return m.code.leave(c, leaveYield) }),
			m.program(other, nil, nothing),
			m.program(last, m.cpus[1], nothing),
		}
	},
	"a thread that moves": func(m *crew) []func() {
		x, last := m.running(0, ClassKernel), m.running(1, ClassKernel)
		return []func(){
			m.program(x, m.cpus[0], func(c *percpu.CPU) *percpu.CPU {
				x.bindTo(c, boundTo+1)
				return m.code.leave(c, leaveMoved)
			}),
			m.program(last, m.cpus[1], func(c *percpu.CPU) *percpu.CPU { return c }),
		}
	},
}

// left searches threads that leave their CPUs in one way, by the code under test.
func left(preemptions int, code switches, way func(*crew) []func()) explore.Result {
	return explore.Run(explore.Model{Preemptions: preemptions, Setup: func() ([]func(), func() error) {
		m := newCrew(code, 0)
		programs := way(m)
		m.count = uint32(len(programs))
		return append(programs, m.rest(0), m.rest(1)), func() error {
			if n := stacks.kept; n != len(programs) && n != len(programs)-1 {
				return errors.New("not every stack came back")
			}
			return nil
		}
	}})
}

// A thread goes on elsewhere, and its stack is used again, only when its CPU has left
// the stack.
func TestStackIsLeftBeforeItIsUsed(t *testing.T) {
	t.Cleanup(func() { switched, upcall.To.Reap = nil, nil })
	for name, way := range leaves {
		t.Run(name, func(t *testing.T) {
			r := left(explore.Bound(1, 3), switchesShipped, way)
			t.Log(r)
			require.NoError(t, r.Err)
			require.True(t, r.Complete)
		})
	}
}

// Negative control: what becomes of a thread is done before its stack is left.
func TestStackUsedTooEarlyIsFound(t *testing.T) {
	t.Cleanup(func() { switched, upcall.To.Reap = nil, nil })
	for name, way := range leaves {
		t.Run(name, func(t *testing.T) {
			r := left(explore.Bound(1, 3), switchesEarly, way)
			require.ErrorContains(t, r.Err, "two CPUs on one stack")
			t.Log(r)
		})
	}
}
