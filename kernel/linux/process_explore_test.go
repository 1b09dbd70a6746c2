//go:build explore

package linux

import (
	"fmt"
	"testing"
	"unsafe"

	"muster/kernel/apic"
	"muster/kernel/atom"
	"muster/kernel/clock"
	"muster/kernel/explore"
	"muster/kernel/layout"
	"muster/kernel/list"
	"muster/kernel/lock"
	"muster/kernel/mem"
	"muster/kernel/percpu"
	"muster/kernel/sched"
)

// program is a program whose last task ends on CPU 0, while a task of the kernel's
// process waits for the program on CPU 1, and CPU 2 finds the program.
type program struct {
	p     *Process
	space *mem.Space
	t, by *Task // the program's last one, the one that waits
	tm    *timer
	cpus  [3]percpu.CPU
	table [3]*percpu.CPU
	out   [layout.PageSize / 8]uint64
}

func newProgram() *program {
	stock.freed = map[unsafe.Pointer]bool{}
	m := &program{}
	apic.Sent = func(uint32, uint32) {}
	percpu.Reset()
	for i := range m.cpus {
		m.cpus[i].Init(uint32(i))
		sched.ModelQueue(&m.cpus[i])
		percpu.Register(&m.cpus[i])
		if i == 0 {
			percpu.SetTable(uintptr(unsafe.Pointer(&m.table[0])), uint32(len(m.table)))
		}
	}
	c := &m.cpus[0]
	tasks.mu = lock.Spin{Rank: lock.RankTasks} // a run that was ended left locks held
	tasks.tree.Root = nil
	programs.mu, programs.list = lock.Spin{Rank: lock.RankPrograms}, list.List{}
	foreground.mu, foreground.list = lock.Spin{Rank: lock.RankPrograms}, list.List{}
	low := uintptr(unsafe.Pointer(&m.out))
	_, kernel := newTestProcess(c, 1)
	m.by = kernel[0]
	m.by.Space = mem.ModelSpace(low, low+unsafe.Sizeof(m.out))
	m.cpus[1].Current = uintptr(unsafe.Pointer(m.by))
	m.space = mem.ModelSpace(0, 0)
	m.p = &Process{ID: 7}
	m.p.init(m.space, true)
	m.t = &Task{proc: m.p}
	m.t.ID = 7
	m.t.StackLow, m.t.StackTop = low, low+8
	m.t.clock.usage = &m.t.Used
	m.t.member.Key, m.t.idNode.Key = 7, 7
	m.p.mu.Lock(c)
	m.p.add(c, m.t)
	m.p.mu.Unlock(c)
	tasks.tree.Insert(&m.t.idNode)
	m.p.enlist(c)
	enterForeground(c, m.p)
	m.cpus[0].Current = uintptr(unsafe.Pointer(m.t))
	return m
}

// programCode is the code under test.
type programCode struct {
	leave func(t *Task, c *percpu.CPU)
	wait  func(p *Process, c *percpu.CPU, t *Task) uint64
	find  func(m *program, c *percpu.CPU) // what the one on CPU 2 does
}

func programShipped(find func(m *program, c *percpu.CPU)) programCode {
	return programCode{
		leave: func(t *Task, c *percpu.CPU) { t.leave(c) },
		wait: func(p *Process, c *percpu.CPU, t *Task) uint64 {
			_, status := p.waitFor(c, t)
			return status
		},
		find: find,
	}
}

// The ways in which a program is found from outside.
var (
	fromKeyboard = func(_ *program, c *percpu.CPU) { SignalForeground(c, nil, SIGABRT) }
	fromMemory   = func(_ *program, c *percpu.CPU) { // relieve without its line in the log
		programs.mu.Lock(c)
		if p, _ := largest(c); p != nil {
			p.end(c, 128+SIGKILL)
		}
		programs.mu.Unlock(c)
	}
	fromTimer = func(m *program, c *percpu.CPU) { TimerExpired(c, uintptr(unsafe.Pointer(m.tm))) }
	fromList  = func(m *program, c *percpu.CPU) {
		ThreadInfo(c, m.by, 1, uintptr(unsafe.Pointer(&m.out)))
	}
)

// programEnds searches a program that ends while it is found from outside. With a timer, a
// queue has one of the program's, which expires.
func programEnds(timed bool, code programCode) explore.Result {
	return explore.Run(explore.Model{Preemptions: explore.Bound(2, 4), Setup: func() ([]func(), func() error) {
		m := newProgram()
		m.p.status = 5
		if timed {
			m.tm = &timer{proc: m.p, refs: 2, armings: 1, at: clock.Never, sig: SIGABRT}
			giveParts(m.p)
			m.p.timers.add(&m.cpus[0], m.tm, false)
		}
		return []func(){
				func() {
					code.leave(m.t, &m.cpus[0])
					*m.t = Task{} // as Reap
				},
				func() {
					if status := code.wait(m.p, &m.cpus[1], m.by); status != 5 && status != 128+SIGKILL {
						panic(fmt.Sprintf("status %d", int64(status)))
					}
				},
				func() { code.find(m, &m.cpus[2]) },
			}, func() error {
				return must(map[string]bool{
					"process not freed":            isFreed(unsafe.Pointer(m.p)),
					"space not freed":              isFreed(unsafe.Pointer(m.space)),
					"timer not freed":              !timed || isFreed(unsafe.Pointer(m.tm)),
					"a task is used after its end": *(*[unsafe.Sizeof(Task{})]byte)(unsafe.Pointer(m.t)) == [unsafe.Sizeof(Task{})]byte{},
					"the program is in a list":     programs.list.First() == nil && foreground.list.First() == nil && tasks.tree.Root == nil,
				})
			}
	}})
}

// A program whose last task ends is freed once, when it has been waited for and nothing
// can find it any more: no signal of the keyboard, no search for the largest program, none
// of its timers, no listing of tasks.
func TestProgramEndsOnce(t *testing.T) {
	for name, find := range map[string]func(*program, *percpu.CPU){
		"keyboard": fromKeyboard, "memory": fromMemory, "timer": fromTimer, "listing": fromList,
	} {
		t.Run(name, func(t *testing.T) { passes(t, programEnds(name == "timer", programShipped(find))) })
	}
}

// finishBy is Process.finish with another end: what comes after the space was left.
func finishBy(end func(*Process, *percpu.CPU)) func(*Task, *percpu.CPU) {
	return func(t *Task, c *percpu.CPU) {
		p := t.proc
		if last, _ := t.withdraw(c); last {
			p.deleteTimers(c)
			p.Space.Detach(c)
			end(p, c)
		}
	}
}

func (p *Process) sayDone(c *percpu.CPU) {
	p.mu.Lock(c)
	p.done.Store(1)
	p.waiters.wakeAll(c)
	p.mu.Unlock(c)
}

// Negative control: a program is done, and then taken out of the list of programs.
func TestProgramDelistedTooLateIsFound(t *testing.T) {
	code := programShipped(fromMemory)
	code.leave = finishBy(func(p *Process, c *percpu.CPU) {
		freeSpace(c, p.Space)
		p.sayDone(c)
		p.delist(c)
	})
	fails(t, programEnds(false, code), afterEnd)
}

// Negative control: the end wakes those that wait after it has shown that it is done,
// and released the lock.
func TestProgramWakesTooLateIsFound(t *testing.T) {
	code := programShipped(fromList)
	code.leave = finishBy(func(p *Process, c *percpu.CPU) {
		p.delist(c)
		freeSpace(c, p.Space)
		p.mu.Lock(c)
		p.done.Store(1)
		p.mu.Unlock(c)
		p.mu.Lock(c)
		p.waiters.wakeAll(c)
		p.mu.Unlock(c)
	})
	fails(t, programEnds(false, code), afterEnd)
}

// Negative control: a task that waits looks at done without the lock, and gives the
// handle up while the end still holds the lock.
func TestProgramWaitWithoutLockIsFound(t *testing.T) {
	code := programShipped(fromList)
	code.wait = func(p *Process, c *percpu.CPU, by *Task) uint64 {
		if p.done.Load() == 0 {
			return programShipped(nil).wait(p, c, by)
		}
		status := p.status
		leaveForeground(c, p)
		p.put(c)
		return uint64(status)
	}
	fails(t, programEnds(false, code), "holds its lock|"+afterEnd)
}

// Negative control: the handle is given up, and then the program leaves those that get
// the signals of the keyboard.
func TestProgramInForegroundIsFound(t *testing.T) {
	code := programShipped(fromKeyboard)
	code.wait = func(p *Process, c *percpu.CPU, by *Task) uint64 {
		p.mu.Lock(c)
		for p.done.Load() == 0 {
			p.waiters.wait(c, by, &p.mu, clock.Never)
		}
		status := p.status
		p.mu.Unlock(c)
		p.put(c)
		leaveForeground(c, p)
		return uint64(status)
	}
	fails(t, programEnds(false, code), "holds its lock|"+afterEnd)
}

// Negative control: an expiry that gives up its reference to the timer, and then uses the process, which the timer
// may not keep any more.
func TestTimerWithoutItsProcessIsFound(t *testing.T) {
	code := programShipped(func(m *program, c *percpu.CPU) {
		p := m.tm.proc
		m.tm.mu.Lock(c)
		m.tm.refs--
		last := m.tm.refs == 0
		m.tm.mu.Unlock(c)
		p.mu.Lock(c)
		p.mu.Unlock(c)
		if last {
			freeTimer(c, m.tm)
			p.put(c)
		}
	})
	fails(t, programEnds(true, code), "holds its lock|"+afterEnd)
}

// Negative control: a listing that uses a task after it has released the lock under
// which it found the task.
func TestListingWithoutLockIsFound(t *testing.T) {
	code := programShipped(func(m *program, c *percpu.CPU) {
		tasks.mu.Lock(c)
		n := tasks.tree.AtLeast(1)
		tasks.mu.Unlock(c)
		if n != nil {
			o := taskOfNode(n)
			o.Switches.Load()
			m.out[0] = uint64(o.proc.ID)
		}
	})
	fails(t, programEnds(false, code), afterEnd)
}

// withdraws searches two tasks of a process that end at the same time.
func withdraws(withdraw func(*Task, *percpu.CPU) (last bool)) explore.Result {
	return search(3, func() ([]func(), func() error) {
		m := newMasks()
		tasks.mu = lock.Spin{Rank: lock.RankTasks} // a run that was ended left it held
		tasks.tree.Root = nil
		for _, x := range m.tasks {
			x.idNode.Key = uint64(x.ID)
			tasks.tree.Insert(&x.idNode)
		}
		var lasts atom.Uint32
		end := func(i int) func() {
			return func() {
				if withdraw(m.tasks[i], &m.cpus[i]) {
					lasts.Add(1)
				}
			}
		}
		return []func(){end(0), end(1)}, func() error {
			return must(map[string]bool{
				"not one task was the last": lasts.Load() == 1,
				"a task can be found":       m.p.tasks.Root == nil && tasks.tree.Root == nil,
			})
		}
	})
}

// Two tasks of a process end at the same time: one of them is the last, and no more
// than one.
func TestOneTaskIsLast(t *testing.T) {
	passes(t, withdraws(func(x *Task, c *percpu.CPU) bool {
		last, _ := x.withdraw(c)
		return last
	}))
}

// Negative control: a task that leaves, and then looks whether any is left.
func TestTwoTasksAreLastIsFound(t *testing.T) {
	fails(t, withdraws(func(x *Task, c *percpu.CPU) bool {
		x.withdraw(c)
		x.proc.mu.Lock(c)
		last := x.proc.count == 0
		x.proc.mu.Unlock(c)
		return last
	}), "not one task was the last")
}
