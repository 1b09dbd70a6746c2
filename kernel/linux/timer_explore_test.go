//go:build explore

package linux

import (
	"errors"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"

	"muster/kernel/atom"
	"muster/kernel/clock"
	"muster/kernel/explore"
	"muster/kernel/percpu"
)

// endedBits is what a task that has ended has as its signals. Whatever changes that uses
// the task's memory.
const endedBits = ^uint64(0)

// deletions searches a timer that expires on one CPU while its process deletes it on
// another, and the task that its signal is for ends, if end is not nil. The timer has left
// its queue: the expiry has the queue's reference.
func deletions(end func(c *percpu.CPU, t *Task), remove func(c *percpu.CPU, t *Task)) explore.Result {
	return explore.Run(explore.Model{Preemptions: explore.Bound(2, 4), Setup: func() ([]func(), func() error) {
		stock.freed = map[unsafe.Pointer]bool{}
		m := newMasks()
		x, y := m.tasks[0], m.tasks[1]
		tm := &timer{proc: m.p, refs: 2, armings: 1, sig: SIGABRT, notify: notifyThread, target: y.ID}
		m.p.timers.add(&m.cpus[0], tm, false)
		var third percpu.CPU
		third.Init(0)
		return []func(){
				func() { TimerExpired(&m.cpus[0], uintptr(unsafe.Pointer(tm))) },
				func() { remove(&m.cpus[1], x) },
				func() {
					if end == nil {
						return
					}
					m.p.mu.Lock(&third)
					m.p.tasks.Remove(&y.member)
					m.p.seen.hide(y)
					end(&third, y)
					m.p.mu.Unlock(&third)
					awaitReaders(&third, uintptr(unsafe.Pointer(y)))
					y.pending.bits.Load() // a step before the memory is used again
					*y = Task{}           // as Reap
					y.pending.bits.Store(endedBits)
				},
			}, func() error {
				switch {
				case !m.p.refs.Only():
					return errors.New("the timer was not freed, or twice")
				case y.pending.timers.Root != nil:
					return errors.New("a timer that was freed waits for a task")
				case end != nil && y.pending.bits.Load() != endedBits:
					return errors.New("a task is used after its end")
				}
				return nil
			}
	}})
}

// The last of the expiry and the deletion frees the timer, and no set of signals has it
// then.
func TestTimerAgainstDeletion(t *testing.T) {
	passes(t, deletions(nil, deleteShipped))
	passes(t, deletions(func(c *percpu.CPU, y *Task) {
		y.pending.close(c)
		for y.dropSome(c) {
		}
	}, deleteShipped))
}

func deleteShipped(c *percpu.CPU, x *Task) { x.deleteTimer(c, 0) }

// Negative control: a task that ends, and leaves a timer's signal where it is.
func TestTimerOfEndedTaskIsFound(t *testing.T) {
	fails(t, deletions(func(*percpu.CPU, *Task) {}, deleteShipped), "after its end|nil pointer")
}

// Negative control: a task that ends, and takes the timers off whose signals wait for it, but whose set takes more.
func TestTimerInOpenSetIsFound(t *testing.T) {
	fails(t, deletions(func(c *percpu.CPU, y *Task) {
		for y.dropSome(c) {
		}
	}, deleteShipped), "after its end|nil pointer")
}

// Negative control: a deletion that does not mark the timer as dead, for an expiry on
// its way.
func TestLiveTimerIsFound(t *testing.T) {
	r := deletions(nil, func(c *percpu.CPU, x *Task) {
		tm := x.proc.timers.remove(c, 0)
		tm.mu.Lock(c)
		tm.disarm(c)
		tm.at = 0
		tm.refs--
		last := tm.refs == 0
		if !last {
			tm.proc.refs.Get(c)
		}
		tm.mu.Unlock(c)
		if last {
			tm.free(c)
		}
	})
	require.ErrorContains(t, r.Err, "a timer that was freed waits")
	t.Log(r)
}

// Negative control: a deletion that frees the timer without regard to the expiry's
// reference.
func TestTimerFreedTwiceIsFound(t *testing.T) {
	r := deletions(nil, func(c *percpu.CPU, x *Task) {
		tm := x.proc.timers.remove(c, 0)
		tm.end(c)
		tm.free(c)
	})
	require.Error(t, r.Err)
	t.Log(r)
}

// setAnew searches a timer whose signal waits for a task, which takes it, while another task sets the timer anew by
// set, which ends or changes nothing but the timer.
func setAnew(take takeCode, set func(c *percpu.CPU, p *Process) bool) explore.Result {
	return search(3, func() ([]func(), func() error) {
		stock.freed = map[unsafe.Pointer]bool{}
		m := newSent()
		x := m.tasks[0]
		tm := &timer{proc: m.p, refs: 2, armings: 1, sig: SIGABRT, notify: notifyThread, target: x.ID, interval: clock.Never - 1}
		m.p.timers.add(&m.cpus[0], tm, false)
		x.mask.Store(bit(SIGABRT))
		TimerExpired(&m.cpus[0], uintptr(unsafe.Pointer(tm)))
		tm.notify = notifyNone // arm notes the time, and uses no queue of package sched, which other runs have used
		var taken, was atom.Uint32
		return []func(){
				func() {
					if _, ok := take(x, &m.cpus[0], bit(SIGABRT)); ok {
						taken.Add(1)
					}
				},
				func() {
					if set(&m.cpus[1], m.p) {
						was.Store(1)
					}
				},
			}, func() error {
				return must(map[string]bool{
					"a timer that was set anew goes on as before": tm.at == newTime,
					"a signal that was withdrawn waits":           x.pending.bits.Load() == 0 && x.pending.timers.Root == nil,
					"the timer was not found":                     was.Load() == 1,
					"a set has the timer":                         tm.set == nil && !tm.listed,
				})
			}
	})
}

// newTime is the time to which setAnew sets the timer. It has passed, so that a task that makes the timer go on changes it.
const newTime = clock.Time(0)

// setTime sets a timer, as timer_settime does.
func setTime(c *percpu.CPU, p *Process) bool {
	tm, whole := p.useTimer(c, 0)
	if tm != nil {
		tm.setTime(c, newTime+1, clock.Never-1, true)
		tm.at = newTime // the clock of a model stands still
	}
	p.doneWith(c, tm, whole)
	return tm != nil && !whole
}

// A timer that is set anew while a task takes its signal stays so: the task does not make it go on.
func TestTimerSetWhileTaken(t *testing.T) { passes(t, setAnew(takeShipped, setTime)) }

// Negative control: a task that takes the signal of a timer, and makes the timer go on whatever has become of it.
func TestTimerGoesOnIsFound(t *testing.T) {
	fails(t, setAnew(func(x *Task, c *percpu.CPU, _ uint64) (in info, ok bool) {
		x.proc.mu.Lock(c)
		x.pending.mu.Lock(c)
		var tm *timer
		if x.pending.bits.Load()&bit(SIGABRT) != 0 {
			_, tm, _ = x.pending.take(c, x.proc, SIGABRT)
		}
		x.pending.mu.Unlock(c)
		if tm != nil {
			tm.mu.Lock(c)
			tm.set = nil
			tm.at = clock.Second // as arm
			tm.mu.Unlock(c)
		}
		x.proc.mu.Unlock(c)
		return in, tm != nil
	}, setTime), "goes on as before")
}

// takenWhile searches a timer whose signal waits for a task, which takes it by take, while another task does something to the timer.
func takenWhile(take takeCode, do func(c *percpu.CPU, x *Task, tm *timer), want func(x *Task, tm *timer) error) explore.Result {
	return search(3, func() ([]func(), func() error) {
		stock.freed = map[unsafe.Pointer]bool{}
		m := newSent()
		x := m.tasks[0]
		tm := &timer{proc: m.p, refs: 2, armings: 1, sig: SIGABRT, notify: notifyThread, target: x.ID}
		m.p.timers.add(&m.cpus[0], tm, false)
		TimerExpired(&m.cpus[1], uintptr(unsafe.Pointer(tm)))
		return []func(){
			func() { take(x, &m.cpus[0], bit(SIGABRT)) },
			func() { do(&m.cpus[1], m.tasks[1], tm) },
		}, func() error { return want(x, tm) }
	})
}

// takeUnnamed takes the signal of a timer without a name for it.
func takeUnnamed(x *Task, c *percpu.CPU, _ uint64) (in info, ok bool) {
	s := &x.pending
	s.mu.Lock(c)
	tm := s.timer(SIGABRT)
	if tm == nil {
		s.mu.Unlock(c)
		return in, false
	}
	fired := tm.fired
	s.unlist(tm)
	s.drop(SIGABRT)
	s.mu.Unlock(c)
	tm.mu.Lock(c)
	if tm.settings == fired {
		tm.at = clock.Never
	}
	tm.mu.Unlock(c)
	return in, true
}

// deleteAndUse deletes a timer, and uses its memory for something else.
func deleteAndUse(c *percpu.CPU, x *Task, tm *timer) {
	x.deleteTimer(c, 0)
	tm.mu.TryLock(c) // a step before the memory is used again
	*tm = timer{}
}

func unused(_ *Task, tm *timer) error {
	return must(map[string]bool{"a timer is used after its end": *tm == timer{}, "the timer was not freed": isFreed(unsafe.Pointer(tm))})
}

// A task takes the signal of a timer that another one deletes, and uses it no more when it is freed.
func TestTimerTakenWhileDeleted(t *testing.T) {
	passes(t, takenWhile(takeShipped, deleteAndUse, unused))
}

// Negative control: a task that takes the signal of a timer, and does not name the timer.
func TestTimerTakenUnnamedIsFound(t *testing.T) {
	fails(t, takenWhile(takeUnnamed, deleteAndUse, unused), "used after its end")
}

// setAndExpire sets a timer anew, which expires at once.
func setAndExpire(c *percpu.CPU, _ *Task, tm *timer) {
	tm.mu.Lock(c)
	tm.disarm(c)
	tm.at = newTime
	tm.refs++ // as arm
	tm.armings++
	tm.mu.Unlock(c)
	TimerExpired(c, uintptr(unsafe.Pointer(tm)))
}

func listedOrNot(_ *Task, tm *timer) error {
	return must(map[string]bool{"a timer waits in a set of which it does not know": tm.listed == (tm.set != nil)})
}

// A timer that is set anew and expires while a task takes its first signal waits for the task again.
func TestTimerExpiresWhileTaken(t *testing.T) {
	passes(t, takenWhile(takeShipped, setAndExpire, listedOrNot))
}

// Negative control: a task that has taken the signal of a timer, and looks then for which setting it was.
func TestTimerTakenForAnotherIsFound(t *testing.T) {
	fails(t, takenWhile(func(x *Task, c *percpu.CPU, _ uint64) (in info, ok bool) {
		s := &x.pending
		s.mu.Lock(c)
		tm := s.timer(SIGABRT)
		if tm == nil {
			s.mu.Unlock(c)
			return in, false
		}
		nameHeld(c, unsafe.Pointer(tm))
		s.unlist(tm)
		s.drop(SIGABRT)
		s.mu.Unlock(c)
		tm.mu.Lock(c)
		fired := tm.fired
		tm.mu.Unlock(c)
		in = tm.deliver(c, fired)
		unname(c)
		return in, true
	}, setAndExpire, listedOrNot), "does not know")
}

// used searches a timer that a task deletes while another one uses it, by use.
func used(use func(c *percpu.CPU, p *Process)) explore.Result {
	return search(3, func() ([]func(), func() error) {
		stock.freed = map[unsafe.Pointer]bool{}
		m := newSent()
		tm := &timer{proc: m.p, refs: 1, sig: SIGABRT, at: clock.Never}
		m.p.timers.add(&m.cpus[0], tm, false)
		return []func(){
				func() {
					m.tasks[0].deleteTimer(&m.cpus[0], 0)
					*tm = timer{} // what uses it now finds no process
				},
				func() { use(&m.cpus[1], m.p) },
			}, func() error {
				return must(map[string]bool{"the timer was not freed": isFreed(unsafe.Pointer(tm))})
			}
	})
}

// A timer is freed when no CPU uses it any more.
func TestTimerUsedWhileDeleted(t *testing.T) {
	passes(t, used(func(c *percpu.CPU, p *Process) {
		tm, whole := p.useTimer(c, 0)
		if tm != nil && tm.proc == nil {
			panic("a timer is used after its end")
		}
		p.doneWith(c, tm, whole)
	}))
}

// Negative control: a use that names the timer, and does not look again whether it is still there.
func TestTimerUsedUnseenIsFound(t *testing.T) {
	fails(t, used(func(c *percpu.CPU, p *Process) {
		if v := p.timers.part(0).place(0).object.Load(); v != 0 {
			tm := (*timer)(unsafe.Pointer(v))
			c.Reading.Store(v)
			tm.mu.Lock(c)
			if tm.proc == nil {
				panic("a timer is used after its end")
			}
			tm.mu.Unlock(c)
			unname(c)
		}
	}), "used after its end")
}
