//go:build explore

package linux

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"muster/kernel/atom"
	"muster/kernel/explore"
	"muster/kernel/lock"
	"muster/kernel/percpu"
)

// births searches a task that makes another one by publish, while a third sends that one
// signals by its id and the process ends. publish is clone's, or a faulty one; complete
// says that the new task is complete.
func births(publish func(c *percpu.CPU, t *Task, complete *atom.Uint32)) explore.Result {
	return explore.Run(explore.Model{Preemptions: explore.Bound(2, 4), Setup: func() ([]func(), func() error) {
		m := newMasks()
		tasks.mu = lock.Spin{Rank: lock.RankTasks} // a run that was ended left it held
		tasks.last, tasks.n = 2, 0
		tasks.tree.Root = nil
		child := &Task{proc: m.p, queue: &futexQueue{}}
		child.clock.usage = &child.Used
		var complete atom.Uint32
		var third percpu.CPU
		third.Init(0)
		return []func(){
				func() { publish(&m.cpus[0], child, &complete) },
				func() {
					_, r := tkill(&m.cpus[1], m.tasks[0], 3, SIGABRT)
					if r == 0 && complete.Load() == 0 {
						panic("a signal has found a task that is not complete")
					}
				},
				func() { m.p.end(&third, 7) },
			}, func() error {
				found := m.p.tasks.AtLeast(3) != nil
				switch {
				case found != (tasks.tree.AtLeast(3) != nil):
					return errors.New("the task is in one of the two trees")
				case found && child.Work.Load()&workExit == 0:
					return errors.New("a task outlives its process")
				}
				return nil
			}
	}})
}

// A task is complete before anything finds it, and a process that ends ends all its
// tasks, those that come meanwhile too.
func TestTaskIsPublishedLast(t *testing.T) {
	r := births(func(c *percpu.CPU, x *Task, complete *atom.Uint32) {
		complete.Store(1)
		x.publish(c)
	})
	t.Log(r)
	require.NoError(t, r.Err)
	require.True(t, r.Complete)
}

// Negative control: a task that has its id before it is complete.
func TestEarlyIDIsFound(t *testing.T) {
	r := births(func(c *percpu.CPU, x *Task, complete *atom.Uint32) {
		x.publish(c)
		complete.Store(1)
	})
	require.ErrorContains(t, r.Err, "not complete")
	t.Log(r)
}

// Negative control: a task that looks whether its process ends, and then takes the lock.
func TestLateTaskIsFound(t *testing.T) {
	r := births(func(c *percpu.CPU, x *Task, complete *atom.Uint32) {
		complete.Store(1)
		p := x.proc
		if p.exiting.Load() != 0 {
			return
		}
		p.mu.Lock(c)
		tasks.mu.Lock(c)
		x.takeID(c)
		tasks.tree.Insert(&x.idNode)
		tasks.mu.Unlock(c)
		p.add(c, x)
		p.mu.Unlock(c)
	})
	require.ErrorContains(t, r.Err, "outlives its process")
	t.Log(r)
}

// An exit_group marks its own task at once, however many others there are.
func TestEndMarksTheCaller(t *testing.T) {
	c := &percpu.CPU{}
	p, list := newTestProcess(c, 3*pokeBatch)
	me := list[len(list)-1]
	c.Current = uintptr(ptrTo(&me.Thread))
	p.end(c, 0)
	require.NotZero(t, me.Work.Load()&workExit)
	require.Zero(t, list[pokeBatch].Work.Load()&workExit, "the others in steps")
}
