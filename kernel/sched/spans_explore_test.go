//go:build explore

package sched

import (
	"errors"
	"math/rand/v2"
	"runtime"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"

	"muster/kernel/apic"
	"muster/kernel/explore"
	"muster/kernel/mem"
	"muster/kernel/percpu"
	"muster/kernel/upcall"
)

// lives is a machine, and beside each thread what it has done, by a plain model: after each step of a random
// CPU, each thread runs, waits or sleeps until the next step.
type lives struct {
	t       *testing.T
	list    []*percpu.CPU
	threads []*life
	runs    []uint64 // by CPU: how long it ran threads
	idle    []uint64
}

// life is a thread, and the times in which it was ready, slept and ran.
type life struct {
	*Thread
	asleep             bool
	waited, slept, ran uint64
}

func newLives(t *testing.T, n uint32) *lives {
	m := &lives{t: t, list: cpus(t, n), runs: make([]uint64, n), idle: make([]uint64, n)}
	modelCounter = 1000
	switched = func(c *percpu.CPU, _, _ *Thread) *percpu.CPU { return c }
	stopTimer = func() {}
	apic.Sent = func(uint32, uint32) {}
	crowded := make([]uint64, (n+63)/64)
	loaded.Init(uintptr(unsafe.Pointer(&crowded[0])), n)
	warnUnbound = func(*percpu.CPU, *Thread) {}
	upcall.To.Reap = func(*percpu.CPU, uintptr) {}
	t.Cleanup(func() {
		modelCounter, switched, upcall.To.Reap, warnUnbound = 0, nil, nil, logUnbound
		loaded = percpu.Mask{}
		runtime.KeepAlive(crowded)
	})
	for _, c := range m.list {
		q := local(c)
		q.idle.level, q.idle.Space = levelIdle, &mem.Kernel
		q.idle.spans.left(noMark)
		q.running.Store(levelIdle)
		q.since.Store(modelCounter)
		q.timers.init()
	}
	return m
}

// pass lets time pass.
func (m *lives) pass(ticks uint64) {
	modelCounter += ticks
	for i, c := range m.list {
		switch {
		case !local(c).isIdle(c):
			m.runs[i] += ticks
		default:
			m.idle[i] += ticks
		}
	}
	for _, x := range m.threads {
		switch {
		case x.asleep:
			x.slept += ticks
		case m.isRun(x):
			x.ran += ticks
		default:
			x.waited += ticks
		}
	}
}

func (m *lives) isRun(x *life) bool {
	for _, c := range m.list {
		if Current(c) == x.Thread {
			return true
		}
	}
	return false
}

// step makes a CPU do something, and is over when it runs a thread or idles.
func (m *lives) step(r *rand.Rand, c *percpu.CPU) {
	c.Resched, c.Retick = 0, 0
	q := local(c)
	if q.isIdle(c) {
		if c.IsLeaving() {
			return
		}
		if next := look(c); next != nil {
			runFromIdle(c, next)
		}
		return
	}
	x := m.lifeOf(Current(c))
	switch r.IntN(6) {
	case 0:
		reschedule(c, leaveReady)
	case 1:
		reschedule(c, leaveYield)
	case 2:
		q.chargeThread(x.Thread, modelCounter) // as a tick
	case 3:
		x.takeToken()
		x.asleep = true
		reschedule(c, leaveParked)
	case 4:
		x.bindTo(c, boundTo+r.Uint32N(uint32(len(m.list))))
		if Settle(c) == c && r.IntN(2) == 0 {
			x.bindTo(c, boundNowhere)
		}
	default:
		m.wake(r, c)
	}
}

// wake makes a thread ready that sleeps, or a new one.
func (m *lives) wake(r *rand.Rand, c *percpu.CPU) {
	if len(m.threads) < 3*len(m.list) {
		x := &life{Thread: thread(uint32(len(m.threads)+1), []Class{ClassUser, ClassKernel}[r.IntN(2)])}
		x.Space = &mem.Kernel
		m.threads = append(m.threads, x)
		Start(c, x.Thread, r.Uint32N(uint32(len(m.list))))
		return
	}
	if x := m.threads[r.IntN(len(m.threads))]; x.asleep {
		x.asleep = false
		Unpark(c, x.Thread)
	}
}

func (m *lives) lifeOf(t *Thread) *life {
	for _, x := range m.threads {
		if x.Thread == t {
			return x
		}
	}
	panic("no such thread")
}

// plug takes a CPU offline or brings it back.
func (m *lives) plug(c *percpu.CPU) {
	if c.IsLeaving() {
		local(c).setClosed(c, false)
		c.State.Store(percpu.Online)
		return
	}
	c.State.Store(percpu.Leaving)
	if !local(c).isIdle(c) {
		reschedule(c, leaveReady)
	}
	leave(c)
}

// check compares the accounts with the model.
func (m *lives) check() {
	for i, c := range m.list {
		q := local(c)
		ran, idled := q.ran.Load(), q.idle.Used.ticks.Load()
		more := modelCounter - q.since.Load()
		if q.isIdle(c) {
			idled += more
		} else {
			ran += more
		}
		require.Equal(m.t, m.runs[i], ran, "cpu %d", i)
		require.Equal(m.t, m.idle[i], idled, "cpu %d", i)
	}
	for _, x := range m.threads {
		waited, slept := x.spansNow()
		require.Equal(m.t, x.waited, waited, "thread %d waited", x.ID)
		require.Equal(m.t, x.slept, slept, "thread %d slept", x.ID)
		ran := x.Used.ticks.Load()
		if on := x.runner(); on != nil {
			ran += modelCounter - local(on).since.Load()
		}
		require.Equal(m.t, x.ran, ran, "thread %d ran", x.ID)
	}
}

// Random threads that yield, sleep, are woken on other CPUs, are stolen and move, while CPUs go offline and come back:
// run time, wait time and sleep of each thread, and run and idle time of each CPU, are those of the model to the tick.
func TestSpansRandom(t *testing.T) {
	for _, n := range []uint32{1, 2, 5, 20} {
		r := rand.New(rand.NewPCG(7, uint64(n)))
		m := newLives(t, n)
		m.wakeFirst(r)
		for range 4000 {
			c := m.list[r.IntN(len(m.list))]
			if c.ID != 0 && r.IntN(50) == 0 {
				m.plug(c)
			} else {
				m.step(r, c)
			}
			m.check()
			m.pass(r.Uint64N(1000))
		}
		var all life
		for _, x := range m.threads {
			all.waited, all.slept, all.ran = all.waited+x.waited, all.slept+x.slept, all.ran+x.ran
			require.NotZero(t, x.waited+x.ran)
		}
		require.True(t, all.waited > 0 && all.slept > 0 && all.ran > 0)
	}
}

// wakeFirst makes threads for all CPUs.
func (m *lives) wakeFirst(r *rand.Rand) {
	for range m.list {
		m.wake(r, m.list[0])
	}
}

// watched searches a thread that has slept for an hour, is woken and gets a CPU, while read looks at it.
func watched(read func(x *Thread) (waited, slept uint64)) explore.Result {
	return explore.Run(explore.Model{Preemptions: explore.Unbounded, Setup: func() ([]func(), func() error) {
		m := newMachine(2)
		modelCounter = anHour
		c, q, x := m.cpus[1], m.queues[1], ready(1)
		x.state.Store(stParked)
		var waited, slept uint64
		return []func(){
				func() {
					x.leaveToken()
					q.add(c, x)
					q.mu.Lock(c)
					q.remove(x)
					q.mu.Unlock(c)
					x.spans.claimed(counter())
					x.runsOn(c)
				},
				func() { waited, slept = read(x) },
			}, func() error {
				modelCounter = 0
				if waited != 0 || slept > anHour {
					return errors.New("sleep counts as wait")
				}
				return nil
			}
	}})
}

// While a thread is woken, no reader takes its sleep for a wait.
func TestSleepIsNoWait(t *testing.T) {
	r := watched((*Thread).spansNow)
	t.Log(r)
	require.NoError(t, r.Err)
	require.True(t, r.Complete)
}

// Negative control: a reader that takes a thread for waiting as soon as it is ready.
func TestReadyBeforeMarkIsFound(t *testing.T) {
	r := watched(func(x *Thread) (waited, slept uint64) {
		s := &x.spans
		state, mark := x.state.Load(), s.mark.Load()
		waited, slept = s.waited.Load(), s.slept.Load()
		if state == stReady && s.mark.Load() == mark {
			waited += counter() - mark
		}
		return waited, slept
	})
	require.ErrorContains(t, r.Err, "sleep counts as wait")
	t.Log(r)
}
