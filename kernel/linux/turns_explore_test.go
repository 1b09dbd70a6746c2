//go:build explore

package linux

import (
	"errors"
	"fmt"
	"testing"
	"unsafe"

	"muster/kernel/atom"
	"muster/kernel/explore"
	"muster/kernel/percpu"
	"muster/kernel/sched"
)

// turnCode is the code under test in models of turns.
type turnCode struct {
	take func(*turn, *percpu.CPU, *Task) Errno
	give func(*turn, *percpu.CPU)
	wake func(*turn, *percpu.CPU)
}

var turnShipped = turnCode{
	take: func(q *turn, c *percpu.CPU, t *Task) Errno {
		_, e := q.take(c, t, false)
		return e
	},
	give: func(q *turn, c *percpu.CPU) { q.give(c) },
	wake: (*turn).wake,
}

// writing is a stream with room for some writes; more room comes by an interrupt.
type writing struct {
	*world
	turnCode
	q      turn
	room   atom.Uint32
	inside int // tasks that have the turn
	wrote  atom.Uint32
}

// write is a write of a task to the stream, and then the task's end. wait says that
// the stream has room only after the interrupt.
func (w *writing) write(id int, wait bool) {
	c, t := w.cpus[id], w.tasks[id]
	if e := w.take(&w.q, c, t); e == 0 {
		if w.inside++; w.inside != 1 {
			panic("two tasks have the turn")
		}
		for wait && w.room.Load() == 0 {
			sched.Park(c)
		}
		w.wrote.Add(1)
		w.inside--
		w.give(&w.q, c)
	}
	w.end(c, t)
}

// end is the end of a task: from here on no signal finds it, and its memory is zero.
func (w *writing) end(c *percpu.CPU, t *Task) {
	p := t.proc
	p.mu.Lock(c)
	*t = Task{}
	p.mu.Unlock(c)
}

// signal ends a task's waits if the task has not ended.
func (w *writing) signal(p *Process, id, victim int) {
	c := w.cpus[id]
	p.mu.Lock(c)
	if w.tasks[victim].proc != nil {
		w.interrupt(c, victim)
	}
	p.mu.Unlock(c)
}

// check requires that the turn is free, that all wrote but those that a signal may have
// sent away, and that nothing touched a task after its end.
func (w *writing) check(least, most uint32) error {
	for id, t := range w.tasks {
		if *(*[unsafe.Sizeof(Task{})]byte)(unsafe.Pointer(t)) != [unsafe.Sizeof(Task{})]byte{} {
			return fmt.Errorf("task %d is used after its end", id)
		}
	}
	if n := w.wrote.Load(); n < least || n > most {
		return fmt.Errorf("%d tasks wrote", n)
	}
	if w.q.holder != nil || w.q.queue.Pop() != nil {
		return errors.New("the turn is not free")
	}
	return nil
}

// turns searches tasks that write to one stream, the last of which a signal may send
// away, while an interrupt makes room.
func turns(preemptions, writers int, signal, wait bool, code turnCode) explore.Result {
	return search(preemptions, func() ([]func(), func() error) {
		w := &writing{world: newWorld(writers), turnCode: code}
		w.q.init()
		p := w.tasks[0].proc
		var programs []func()
		for id := range writers {
			programs = append(programs, func() { w.write(id, wait) })
		}
		other := func(f func(c int)) {
			id := len(w.cpus)
			w.cpus = append(w.cpus, &percpu.CPU{ID: uint32(id)})
			programs = append(programs, func() { f(id) })
		}
		least := uint32(writers)
		if signal {
			least--
			other(func(id int) { w.signal(p, id, writers-1) })
		}
		if wait {
			other(func(id int) {
				w.room.Store(1)
				w.wake(&w.q, w.cpus[id])
			})
		}
		return programs, func() error { return w.check(least, uint32(writers)) }
	})
}

// Each task gets the turn, one at a time, or a signal ends its wait; nothing touches a
// task that has ended.
func TestTurns(t *testing.T) {
	passes(t, turns(explore.Bound(4, explore.Unbounded), 2, false, false, turnShipped))
	passes(t, turns(2, 3, false, false, turnShipped))
	passes(t, turns(explore.Bound(1, 2), 3, true, false, turnShipped))
	passes(t, turns(2, 2, true, true, turnShipped))
}

// Negative control: the next task is woken after the lock was released. It may have
// seen its turn by itself, and ended.
func TestTurnWokenTooLateIsFound(t *testing.T) {
	code := turnShipped
	code.give = func(q *turn, c *percpu.CPU) {
		q.mu.Lock(c)
		q.holder = nil
		if n := q.queue.Pop(); n != nil {
			q.holder = waiter(n)
		}
		next := q.holder
		q.mu.Unlock(c)
		if next != nil {
			sched.Unpark(c, next.thread())
		}
	}
	fails(t, turns(3, 2, true, false, code), "after its end")
}

// Negative control: an interrupt handler looks at the holder without the lock.
func TestTurnWakeWithoutLockIsFound(t *testing.T) {
	code := turnShipped
	code.wake = func(q *turn, c *percpu.CPU) {
		if t := q.holder; t != nil {
			sched.Unpark(c, t.thread())
		}
	}
	fails(t, turns(3, 2, false, true, code), "after its end")
}

// takeWith is take with another answer to signals: leave says whether the task goes.
func takeWith(leave func(*turn, *Task) bool) func(*turn, *percpu.CPU, *Task) Errno {
	return func(q *turn, c *percpu.CPU, t *Task) Errno {
		q.mu.Lock(c)
		q.join(c, t, false)
		for {
			if t.interrupted() && leave(q, t) {
				q.mu.Unlock(c)
				return eRestart
			}
			if q.holder == t {
				q.mu.Unlock(c)
				return 0
			}
			q.mu.Unlock(c)
			sched.Park(c)
			q.mu.Lock(c)
		}
	}
}

// Negative controls: a task that a signal sends away keeps its place in the queue, or
// does not see that it has the turn already.
func TestTurnKeptByASignalIsFound(t *testing.T) {
	for _, leave := range []func(*turn, *Task) bool{
		func(q *turn, t *Task) bool { return q.holder != t },
		func(q *turn, t *Task) bool {
			if t.Wait.Linked() {
				q.queue.Remove(&t.Wait)
			}
			return true
		},
	} {
		code := turnShipped
		code.take = takeWith(leave)
		fails(t, turns(3, 2, true, false, code), "after its end|waits forever|nil pointer|turn is not free")
	}
}

// stuck searches a task that waits for the turn of another, which gives it up only after
// the first has gone.
func stuck(take func(*turn, *percpu.CPU, *Task) Errno) explore.Result {
	return search(explore.Unbounded, func() ([]func(), func() error) {
		w := &writing{world: newWorld(2), turnCode: turnShipped}
		w.q.init()
		w.cpus = append(w.cpus, &percpu.CPU{ID: 2})
		p := w.tasks[0].proc
		var gone atom.Uint32
		w.take(&w.q, w.cpus[0], w.tasks[0])
		return []func(){
			func() {
				for gone.Load() == 0 {
					atom.Pause()
				}
				w.give(&w.q, w.cpus[0])
				w.end(w.cpus[0], w.tasks[0])
			},
			func() {
				if take(&w.q, w.cpus[1], w.tasks[1]) == 0 {
					panic("two tasks have the turn")
				}
				w.end(w.cpus[1], w.tasks[1])
				gone.Store(1)
			},
			func() { w.signal(p, 2, 1) },
		}, func() error { return w.check(0, 0) }
	})
}

// A signal ends the wait for a turn that no task gives up.
func TestTurnSignalEndsTheWait(t *testing.T) { passes(t, stuck(turnShipped.take)) }

// Negative control: a task that waits without a look at signals.
func TestTurnDeafToSignalsIsFound(t *testing.T) {
	fails(t, stuck(takeWith(func(*turn, *Task) bool { return false })), "waits forever")
}
