//go:build explore

package linux

import (
	"errors"
	"slices"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"

	"muster/kernel/explore"
	"muster/kernel/percpu"
)

// masks is a process with two tasks: the first changes its mask, the second blocks
// everything.
type masks struct {
	p     *Process
	tasks []*Task
	cpus  [2]percpu.CPU
	table [2]*percpu.CPU
}

func newMasks() *masks {
	m := &masks{}
	percpu.Reset()
	for i := range m.cpus {
		m.cpus[i].Init(uint32(i))
		percpu.Register(&m.cpus[i])
		if i == 0 {
			percpu.SetTable(uintptr(unsafe.Pointer(&m.table[0])), 2)
		}
	}
	m.p, m.tasks = newTestProcess(&percpu.CPU{}, 2)
	m.p.actions.set(SIGABRT, action{handler: 0x1000})
	m.tasks[1].setMask(&m.cpus[0], ^uint64(0))
	return m
}

// senders searches a signal to the process while a task changes its mask in a way.
// When both are done, a task that does not block a pending signal must have work.
func senders(change func(c *percpu.CPU, t *Task)) explore.Result {
	return explore.Run(explore.Model{Preemptions: explore.Bound(3, explore.Unbounded), Setup: func() ([]func(), func() error) {
		m := newMasks()
		x := m.tasks[0]
		return []func(){
				func() { m.p.signal(&m.cpus[0], nil, SIGABRT, fromKill) },
				func() { change(&m.cpus[1], x) },
			}, func() error {
				if m.p.pending.bits.Load()&^x.mask.Load() != 0 && x.Work.Load()&workSignal == 0 {
					return errors.New("a signal waits beside a task that would take it")
				}
				if x.shown.Load()&^x.mask.Load() != 0 {
					return errors.New("the tree hides a task that takes signals")
				}
				return nil
			}
	}})
}

// A signal to the process is never lost between a task that changes its mask and the
// sender that looks at it.
func TestMaskAgainstSender(t *testing.T) {
	for _, masks := range [][]uint64{{bit(SIGABRT)}, {bit(SIGABRT), 0}, {bit(SIGABRT), bit(SIGSEGV), bit(SIGABRT)}, {bit(SIGABRT), 0, bit(SIGABRT), 0}} {
		for _, change := range []func(*Task, *percpu.CPU, uint64){(*Task).setMask, (*Task).enterMask} {
			r := senders(func(c *percpu.CPU, x *Task) {
				for _, set := range masks {
					change(x, c, set)
				}
			})
			t.Log(r)
			require.NoError(t, r.Err)
			require.True(t, r.Complete)
		}
	}
}

// waited searches a signal that is ignored, while a task that blocks the signal stops
// waiting for it in rt_sigtimedwait, by end. At each moment the task blocks the signal or
// waits for it, so the signal stays.
func waited(end func(t *Task, c *percpu.CPU, mask uint64)) explore.Result {
	return explore.Run(explore.Model{Preemptions: explore.Bound(3, explore.Unbounded), Setup: func() ([]func(), func() error) {
		m := newMasks()
		x := m.tasks[0]
		m.p.actions.set(SIGABRT, action{handler: handlerIgnore})
		x.setMask(&m.cpus[1], bit(SIGABRT))
		return []func(){
				func() { m.p.signal(&m.cpus[0], nil, SIGABRT, fromKill) },
				func() {
					x.awaits(&m.cpus[1], bit(SIGABRT), 0)
					end(x, &m.cpus[1], bit(SIGABRT))
				},
			}, func() error {
				if m.p.pending.bits.Load()&bit(SIGABRT) == 0 {
					return errors.New("a signal that was waited for, or blocked, is lost")
				}
				return nil
			}
	}})
}

func TestWaitedSignalStays(t *testing.T) {
	r := waited(func(x *Task, c *percpu.CPU, mask uint64) { x.awaits(c, 0, mask) })
	t.Log(r)
	require.NoError(t, r.Err)
	require.True(t, r.Complete)
}

// Negative control: a task that does not wait for the signal any more before it blocks it.
func TestUnwaitedTooEarlyIsFound(t *testing.T) {
	r := waited(func(x *Task, c *percpu.CPU, mask uint64) {
		x.proc.mu.Lock(c)
		x.awaited = 0
		x.proc.mu.Unlock(c)
		x.setMask(c, mask)
	})
	require.ErrorContains(t, r.Err, "is lost")
	t.Log(r)
}

// Negative control: a task that looks for pending signals before it stores its mask.
func TestLookBeforeMaskIsFound(t *testing.T) {
	r := senders(func(c *percpu.CPU, x *Task) {
		x.setMask(c, bit(SIGABRT))
		pending := x.proc.pending.bits.Load()
		x.mask.Store(0)
		if pending != 0 {
			x.Work.Or(workSignal)
		}
		if x.shown.Load() != 0 {
			x.proc.mu.Lock(c)
			x.show(c)
			x.proc.mu.Unlock(c)
		}
	})
	require.ErrorContains(t, r.Err, "a signal waits beside a task")
	t.Log(r)
}

// Negative control: a task that opens its mask, and does not look at what the tree of
// tasks shows.
func TestHiddenTaskIsFound(t *testing.T) {
	r := senders(func(c *percpu.CPU, x *Task) {
		x.setMask(c, bit(SIGABRT))
		x.mask.Store(0)
		if x.proc.pending.bits.Load() != 0 {
			x.Work.Or(workSignal)
		}
	})
	require.ErrorContains(t, r.Err, "the tree hides a task")
	t.Log(r)
}

// blocks searches a signal to a process with two tasks that take it, while the first one
// begins to block it, by block.
func blocks(block func(t *Task, c *percpu.CPU)) explore.Result {
	return search(3, func() ([]func(), func() error) {
		m := newMasks()
		x, y := m.tasks[0], m.tasks[1]
		y.setMask(&m.cpus[1], 0)
		return []func(){
				func() { m.p.signal(&m.cpus[0], x, SIGABRT, fromKill) },
				func() { block(x, &m.cpus[1]) },
			}, func() error {
				if m.p.pending.bits.Load() == 0 || y.Work.Load()&workSignal == 0 && x.mask.Load()&bit(SIGABRT) != 0 {
					return errors.New("no task takes the signal")
				}
				return nil
			}
	})
}

// A signal whose task blocks it before it takes it goes to another task.
func TestBlockedSignalGoesOn(t *testing.T) {
	passes(t, blocks(func(x *Task, c *percpu.CPU) { x.setMask(c, bit(SIGABRT)) }))
	passes(t, blocks(func(x *Task, c *percpu.CPU) { x.enterMask(c, bit(SIGABRT)) }))
}

// Negative control: a task that blocks a signal, and leaves the signal where it is.
func TestBlockedSignalStaysIsFound(t *testing.T) {
	fails(t, blocks(func(x *Task, c *percpu.CPU) {
		x.mask.Store(bit(SIGABRT))
		x.proc.mu.Lock(c)
		x.show(c)
		x.proc.mu.Unlock(c)
	}), "no task takes the signal")
}

// handlers searches a signal to a process all of whose tasks are in handlers, and block it,
// while one of them leaves its handler, by open. There are more tasks than the sender
// corrects, which is done by send.
func handlers(n, leaver int, send func(p *Process, c *percpu.CPU), open func(t *Task, c *percpu.CPU)) explore.Result {
	return explore.Run(explore.Model{Preemptions: explore.Bound(1, 2), Setup: func() ([]func(), func() error) {
		m := newMasks()
		p, tasks := newTestProcess(&m.cpus[0], n)
		p.actions.set(SIGABRT, action{handler: 0x1000})
		for _, x := range tasks {
			x.enterMask(&m.cpus[0], bit(SIGABRT))
		}
		x := tasks[leaver]
		return []func(){
				func() { send(p, &m.cpus[0]) },
				func() { open(x, &m.cpus[1]) },
			}, func() error {
				if p.pending.bits.Load()&bit(SIGABRT) == 0 {
					return errors.New("the signal is gone")
				}
				if x.mask.Load()&bit(SIGABRT) != 0 {
					return errors.New("the task blocks the signal")
				}
				if x.Work.Load()&workSignal == 0 {
					return errors.New("no task takes the signal")
				}
				return nil
			}
	}})
}

// The senders of handlers, and how many tasks they correct.
var senderOf = map[string]struct {
	shows int
	send  func(p *Process, c *percpu.CPU)
}{
	"kill": {takerShows, func(p *Process, c *percpu.CPU) { p.signal(c, nil, SIGABRT, fromKill) }},
	"timer": {timerShows, func(p *Process, c *percpu.CPU) {
		tm := &timer{proc: p, sig: SIGABRT, refs: 2, armings: 1}
		TimerExpired(c, uintptr(unsafe.Pointer(tm)))
	}},
}

// The task that leaves its handler takes the signal, whether the sender has corrected it or
// not.
func TestHandlerEndsAgainstSender(t *testing.T) {
	for name, s := range senderOf {
		t.Run(name, func(t *testing.T) {
			for leaver := range s.shows + 1 {
				passes(t, handlers(s.shows+1, leaver, s.send, func(x *Task, c *percpu.CPU) { x.enterMask(c, 0) }))
			}
		})
	}
}

// Negative control: a task that looks for signals, and then opens its mask. The signal comes
// in between, and stays: that is found if the sender has not corrected the task. A corrected
// one looks again with the lock of the sender.
func TestHandlerLooksTooEarlyIsFound(t *testing.T) {
	for name, s := range senderOf {
		t.Run(name, func(t *testing.T) {
			for leaver := range s.shows + 1 {
				r := handlers(s.shows+1, leaver, s.send, func(x *Task, c *percpu.CPU) {
					pending := x.proc.pending.bits.Load()
					x.mask.Store(0)
					if pending != 0 {
						x.Work.Or(workSignal)
					}
					if x.shown.Load() != 0 {
						x.proc.mu.Lock(c)
						x.show(c)
						if x.proc.pending.bits.Load() != 0 {
							x.Work.Or(workSignal)
						}
						x.proc.mu.Unlock(c)
					}
				})
				if leaver < s.shows {
					passes(t, r)
					continue
				}
				fails(t, r, "^no task takes the signal$")
				require.Equal(t, []int{1, 0, 1}, slices.Compact(r.Schedule), "the task looks, the sender sends, the task opens its mask")
			}
		})
	}
}
