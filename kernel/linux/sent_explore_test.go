//go:build explore

package linux

import (
	"testing"
	"unsafe"

	"muster/kernel/atom"
	"muster/kernel/clock"
	"muster/kernel/explore"
	"muster/kernel/lock"
	"muster/kernel/percpu"
	"muster/kernel/sched"
)

// Models of the lock of each task's pending signals: the task takes its own signals without the
// lock of its process, while others send it more, and it changes its mask, sleeps, or the signal
// begins to be ignored.

// newSent is newMasks with a queue of ready threads on each CPU, on which its task runs.
func newSent() *masks {
	m := newMasks()
	m.tasks[1].setMask(&m.cpus[0], 0)
	for i, x := range m.tasks {
		sched.ModelQueue(&m.cpus[i])
		m.cpus[i].Current = uintptr(ptrTo(&x.Thread))
	}
	return m
}

// whole reports whether what a set says is pending is what waits in it; no timer does.
func (s *pendingSet) whole() bool {
	return s.bits.Load() == s.plain && (s.tkill|s.kernel)&^s.plain == 0
}

// takeCode is the code under test: how a task takes a signal.
type takeCode func(t *Task, c *percpu.CPU, set uint64) (in info, ok bool)

func takeShipped(t *Task, c *percpu.CPU, set uint64) (info, bool) { return t.takeSignal(c, set, nil) }

// leaves takes the signals that x does not block, as on the way out of the core.
func leaves(x *Task, c *percpu.CPU, take takeCode) (taken uint32) {
	for x.Work.Load()&workSignal != 0 {
		x.Work.And(^uint32(workSignal))
		for {
			if _, ok := take(x, c, ^x.mask.Load()); !ok {
				break
			}
			taken++
		}
	}
	return taken
}

// sent searches a signal to a task by another one, while the task, which has another signal
// already, changes its mask by change, and takes what it does not block.
func sent(change func(x *Task, c *percpu.CPU, mask uint64), take takeCode, masks ...uint64) explore.Result {
	return search(3, func() ([]func(), func() error) {
		m := newSent()
		x := m.tasks[0]
		var taken atom.Uint32
		send(&m.cpus[0], x, SIGSEGV, fromTkill)
		return []func(){
				func() {
					for _, mask := range masks {
						change(x, &m.cpus[0], mask)
						taken.Add(leaves(x, &m.cpus[0], take))
					}
				},
				func() { tkill(&m.cpus[1], m.tasks[1], int32(x.ID), SIGABRT) },
			}, func() error {
				open := x.pending.bits.Load() &^ x.mask.Load()
				n := taken.Load() + uint32(popCount(x.pending.bits.Load()))
				return must(map[string]bool{
					"a signal is lost":                         n >= 2,
					"a signal comes twice":                     n <= 2,
					"the set does not have what it says":       x.pending.whole(),
					"a signal waits, and the task has no work": open == 0 || x.Work.Load()&workSignal != 0,
				})
			}
	})
}

func popCount(v uint64) (n int) {
	for ; v != 0; v &= v - 1 {
		n++
	}
	return n
}

// Each signal that is sent to a task comes once, or waits, whatever the task does with its mask.
func TestSentSignalComesOnce(t *testing.T) {
	for _, masks := range [][]uint64{{0}, {bit(SIGABRT), 0}, {bit(SIGABRT) | bit(SIGSEGV), bit(SIGSEGV), 0}} {
		passes(t, sent((*Task).setMask, takeShipped, masks...))
		passes(t, sent((*Task).enterMask, takeShipped, masks...))
	}
}

// Negative control: a task that takes a signal without the lock of its set.
func TestSentTakenWithoutLockIsFound(t *testing.T) {
	fails(t, sent((*Task).setMask, func(x *Task, c *percpu.CPU, set uint64) (in info, ok bool) {
		ready := x.pending.bits.Load() & set
		if ready == 0 {
			return in, false
		}
		b := ready & -ready
		left := x.pending.bits.Load() &^ b // a word that is loaded and stored, where drop changes it under the lock
		x.pending.plain &^= b
		x.pending.tkill &^= b
		x.pending.bits.Store(left)
		return in, true
	}, 0), "a signal is lost|does not have what it says")
}

// Negative control: a task that looks for its own signals, and then opens its mask.
func TestSentBeforeMaskIsFound(t *testing.T) {
	fails(t, sent(func(x *Task, c *percpu.CPU, mask uint64) {
		own := x.pending.bits.Load()
		x.mask.Store(mask)
		if own&^mask != 0 {
			x.Work.Or(workSignal)
		}
	}, takeShipped, bit(SIGABRT), 0), "the task has no work")
}

// shared searches two tasks that take a signal of their process.
func shared(take takeCode) explore.Result {
	return search(3, func() ([]func(), func() error) {
		m := newSent()
		var taken atom.Uint32
		m.p.signal(&m.cpus[0], m.tasks[0], SIGABRT, fromKill)
		one := func(i int) func() {
			return func() {
				if _, ok := take(m.tasks[i], &m.cpus[i], bit(SIGABRT)); ok {
					taken.Add(1)
				}
			}
		}
		return []func(){one(0), one(1)}, func() error {
			return must(map[string]bool{"not one task takes the signal": taken.Load() == 1 && m.p.pending.bits.Load() == 0})
		}
	})
}

// One task takes a signal of the process.
func TestSentToProcessComesOnce(t *testing.T) { passes(t, shared(takeShipped)) }

// Negative control: a task that takes what it has seen before it has the lock.
func TestSentToProcessTwiceIsFound(t *testing.T) {
	fails(t, shared(func(x *Task, c *percpu.CPU, set uint64) (in info, ok bool) {
		s := &x.proc.pending
		ready := s.bits.Load() & set
		if ready == 0 {
			return in, false
		}
		s.mu.Lock(c)
		s.drop(lowest(ready))
		s.mu.Unlock(c)
		return in, true
	}), "not one task takes the signal")
}

// sleeps searches a task that sleeps until it has a signal, by wait, while another task sends it one. A
// task that is not woken sleeps forever, which the explorer reports.
func sleeps(send func(m *masks), wait func(x *Task, c *percpu.CPU) bool) explore.Result {
	return search(3, func() ([]func(), func() error) {
		m := newSent()
		x := m.tasks[0]
		x.setMask(&m.cpus[0], bit(SIGABRT))
		slept := false
		return []func(){
				func() { slept = wait(x, &m.cpus[0]) },
				func() { send(m) },
			}, func() error {
				return must(map[string]bool{
					"the task did not take the signal": slept,
					"the signal is still there":        m.p.pending.bits.Load()|x.pending.bits.Load() == 0,
				})
			}
	})
}

// The senders of sleeps: to the task, and to the process.
var sleepSenders = map[string]func(m *masks){
	"tgkill": func(m *masks) { tkill(&m.cpus[1], m.tasks[1], int32(m.tasks[0].ID), SIGABRT) },
	"kill": func(m *masks) {
		m.tasks[1].setMask(&m.cpus[1], bit(SIGABRT))
		m.p.signal(&m.cpus[1], m.tasks[1], SIGABRT, fromKill)
	},
}

// A task that waits in rt_sigtimedwait or rt_sigsuspend gets the signal.
func TestSentToSleeper(t *testing.T) {
	for name, send := range sleepSenders {
		t.Run(name, func(t *testing.T) {
			passes(t, sleeps(send, func(x *Task, c *percpu.CPU) bool {
				_, in, e := x.awaitSignal(c, bit(SIGABRT), clock.Never)
				return e == 0 && in.sig == SIGABRT
			}))
			passes(t, sleeps(send, func(x *Task, c *percpu.CPU) bool {
				x.saved, x.suspends = x.mask.Load(), true
				x.setMask(c, 0)
				sysPause(c, x, nil)
				return leaves(x, c, takeShipped) == 1
			}))
		})
	}
}

// Negative control: a task that opens its mask when it has looked for signals, and sleeps then.
func TestSentToDeafSleeperIsFound(t *testing.T) {
	for name, send := range sleepSenders {
		t.Run(name, func(t *testing.T) {
			fails(t, sleeps(send, func(x *Task, c *percpu.CPU) bool {
				if (x.pending.bits.Load()|x.proc.pending.bits.Load())&bit(SIGABRT) == 0 {
					x.proc.mu.Lock(c)
					x.mask.Store(0)
					x.show(c)
					x.proc.mu.Unlock(c)
					sched.Park(c)
				}
				return leaves(x, c, takeShipped) == 1
			}), "deadlock|forever|did not take")
		})
	}
}

// ignored searches a signal to a task, while another task sets the action to ignore it.
func ignored(send func(c *percpu.CPU, x *Task)) explore.Result {
	return search(3, func() ([]func(), func() error) {
		m := newSent()
		x := m.tasks[0]
		return []func(){
				func() { send(&m.cpus[0], x) },
				func() { m.p.setAction(&m.cpus[1], SIGABRT, action{handler: handlerIgnore}) },
			}, func() error {
				return must(map[string]bool{"a signal that is ignored waits": x.pending.bits.Load() == 0 && x.pending.whole()})
			}
	})
}

// A signal whose action begins to be to do nothing does not stay, also if the sender has no lock of the
// process: a task that sends itself a signal.
func TestIgnoredIsNotSent(t *testing.T) {
	passes(t, ignored(func(c *percpu.CPU, x *Task) { tkill(c, x, int32(x.ID), SIGABRT) }))
	passes(t, ignored(func(c *percpu.CPU, x *Task) { x.proc.signal(c, x, SIGABRT, fromKill) }))
}

// Negative control: a task that looks at the action, and then takes the lock of its set.
func TestIgnoredTooEarlyIsFound(t *testing.T) {
	fails(t, ignored(func(c *percpu.CPU, x *Task) {
		if x.proc.ignores(SIGABRT) {
			return
		}
		x.pending.mu.Lock(c)
		x.pending.add(SIGABRT, fromTkill)
		x.pending.mu.Unlock(c)
	}), "a signal that is ignored waits")
}

// leaver searches a task that leaves its process, and waits by wait until it is freed, while another one sends it a signal, which finds
// the task by kill.
func leaver(wait func(c *percpu.CPU, x *Task), kill func(c *percpu.CPU, t *Task)) explore.Result {
	return search(3, func() ([]func(), func() error) {
		m := newSent()
		tasks.mu = lock.Spin{Rank: lock.RankTasks} // a run that was ended left it held
		tasks.tree.Root = nil
		x := m.tasks[0]
		x.idNode.Key = uint64(x.ID)
		tasks.tree.Insert(&x.idNode)
		return []func(){
				func() {
					x.withdraw(&m.cpus[0])
					wait(&m.cpus[0], x)
					x.pending.bits.Load() // a step before the memory is used again
					*x = Task{}           // as Reap
					x.pending.bits.Store(endedBits)
				},
				func() { kill(&m.cpus[1], m.tasks[1]) },
			}, func() error {
				return must(map[string]bool{"a task is used after its end": x.pending.bits.Load() == endedBits && x.Work.Load() == 0})
			}
	})
}

func killFirst(c *percpu.CPU, t *Task) { tkill(c, t, 1, SIGABRT) }

func waitUnnamed(c *percpu.CPU, x *Task) { awaitReaders(c, uintptr(unsafe.Pointer(x))) }

// A task that leaves its process while another one sends it a signal is used no more when it is freed, whether the sender found it
// without the lock of the process or with it.
func TestSentToLeaverIsFoundOrGone(t *testing.T) {
	passes(t, leaver(waitUnnamed, killFirst))
	passes(t, leaver(waitUnnamed, func(c *percpu.CPU, x *Task) {
		x.proc.mu.Lock(c)
		if to := x.proc.find(c, 1); to != nil {
			tkillTo(c, to, SIGABRT)
		}
		x.proc.mu.Unlock(c)
	}))
}

// Negative controls: a task that is freed although a CPU names it, and a sender that does not look again whether the task is there.
func TestSentToFreedIsFound(t *testing.T) {
	fails(t, leaver(func(*percpu.CPU, *Task) {}, killFirst), "used after its end|nil pointer")
	fails(t, leaver(waitUnnamed, func(c *percpu.CPU, x *Task) {
		if v := x.proc.seen.place(1).object.Load(); v != 0 {
			c.Reading.Store(v)
			tkillTo(c, (*Task)(unsafe.Pointer(v)), SIGABRT)
			unname(c)
		}
	}), "used after its end|nil pointer")
}
