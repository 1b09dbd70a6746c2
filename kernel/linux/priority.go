package linux

import (
	"unsafe"

	"muster/kernel/clock"
	"muster/kernel/cpu"
	"muster/kernel/percpu"
	"muster/kernel/sched"
)

// Subjects of getpriority and setpriority (Linux, include/uapi/linux/resource.h). A program is a process group
// of its own, and all programs have one user.
const (
	prioProcess = 0
	prioGroup   = 1
	prioUser    = 2
)

// niceBatch is how many tasks a step of setpriority looks at with the lock held.
const niceBatch = 64

// sysGetpriority returns 20 less the lowest nice value of the tasks: from 1 to 40, as Linux's system call does.
func sysGetpriority(c *percpu.CPU, t *Task, f *cpu.Frame) (*percpu.CPU, uint64) {
	return eachNice(c, t, uint32(f.DI), int32(f.SI), nil)
}

// sysSetpriority sets the nice value of tasks.
func sysSetpriority(c *percpu.CPU, t *Task, f *cpu.Frame) (*percpu.CPU, uint64) {
	nice := max(min(int32(f.DX), 19), -20)
	return eachNice(c, t, uint32(f.DI), int32(f.SI), &nice)
}

// eachNice sets the nice value of tasks, or returns 20 less the lowest with nil. A process is one task here, as
// on Linux.
//
// Context: no lock held. Returns the CPU on which the task goes on.
func eachNice(c *percpu.CPU, t *Task, which uint32, who int32, set *int32) (*percpu.CPU, uint64) {
	if which > prioUser {
		return c, errno(EINVAL)
	}
	first, last := uint64(0), uint64(1<<32-1)
	switch {
	case which == prioProcess && who == 0:
		first, last = uint64(t.ID), uint64(t.ID)
	case which == prioProcess:
		first, last = uint64(uint32(who)), uint64(uint32(who))
	case which == prioUser && who != 0:
		return c, errno(ESRCH)
	}
	group := t.proc.ID
	if which == prioGroup && who != 0 {
		group = uint32(who)
	}
	result := uint64(0)
	for found := false; ; c = sched.Breathe(c) {
		var e Errno
		if first, e = niceStep(c, t, which, group, first, last, set, &result); e != 0 {
			return c, errno(e)
		}
		found = found || result != 0
		if first > last {
			if !found {
				return c, errno(ESRCH)
			}
			break
		}
	}
	if set != nil {
		return c, 0
	}
	return c, result
}

// niceStep is a step of eachNice: it looks at some tasks from id first on, and returns where the next step begins. group is
// the process that counts for prioGroup.
//
// Locks: takes tasks.mu.
func niceStep(c *percpu.CPU, t *Task, which, group uint32, first, last uint64, set *int32, result *uint64) (next uint64, e Errno) {
	tasks.mu.Lock(c)
	n := tasks.tree.AtLeast(first)
	for i := 0; n != nil && n.Key <= last && i < niceBatch; n, i = n.Next(), i+1 {
		x := taskOfNode(n)
		switch {
		case which == prioGroup && x.proc.ID != group, which == prioUser && x.proc.user != t.proc.user:
			continue
		case set != nil && x.proc.user != t.proc.user: // the kernel's own threads come first in any case
			e = EPERM
			continue
		case set != nil:
			x.SetNice(*set)
		}
		*result = max(*result, uint64(20-x.Nice()))
	}
	next = last + 1
	if n != nil && n.Key <= last {
		next = n.Key
	}
	tasks.mu.Unlock(c)
	return next, e
}

// Policies (Linux, include/uapi/linux/sched.h), and the bit with which a new task gets no better standing than usual.
const (
	schedOther = 0
	schedFIFO  = 1
	schedRR    = 2
	schedBatch = 3
	schedIdle  = 5

	schedResetOnFork = 1 << 30
)

// sysSchedSetscheduler sets the policy of a task, with a priority for the real-time ones. Programs have privilege, as their user
// is 0.
func sysSchedSetscheduler(c *percpu.CPU, t *Task, f *cpu.Frame) (*percpu.CPU, uint64) {
	if int32(f.SI) < 0 {
		return c, errno(EINVAL)
	}
	return c, setPolicy(c, t, int32(f.DI), uint32(f.SI), uintptr(f.DX))
}

// samePolicy is setPolicy's policy for a call that changes the priority alone.
const samePolicy = 1<<32 - 1

// sysSchedSetparam sets the priority of a task within its policy.
func sysSchedSetparam(c *percpu.CPU, t *Task, f *cpu.Frame) (*percpu.CPU, uint64) {
	return c, setPolicy(c, t, int32(f.DI), samePolicy, uintptr(f.SI))
}

// setPolicy sets the policy of a task, and the priority, an int at param.
//
// Locks: takes tasks.mu.
func setPolicy(c *percpu.CPU, t *Task, id int32, policy uint32, param uintptr) uint64 {
	var priority int32
	if id < 0 || param == 0 {
		return errno(EINVAL)
	}
	if !t.Space.CopyIn(c, ptrTo(&priority), param, unsafe.Sizeof(priority)) {
		return errno(EFAULT)
	}
	tasks.mu.Lock(c)
	r := policyOf(c, t, id, policy, priority)
	tasks.mu.Unlock(c)
	return r
}

// policyOf is setPolicy with the parameters read.
//
// Locks: tasks.mu held.
func policyOf(c *percpu.CPU, t *Task, id int32, policy uint32, priority int32) uint64 {
	tasks.mu.AssertHeld(c)
	x := taskOrSelf(c, t, id)
	if x == nil {
		return errno(ESRCH)
	}
	if policy == samePolicy {
		policy = x.policy.Load()
	}
	if !isPolicy(policy&^schedResetOnFork, priority) {
		return errno(EINVAL)
	}
	if x.proc.user != t.proc.user { // the kernel's own threads come first in any case
		return errno(EPERM)
	}
	x.setPolicy(c, policy, priority)
	return 0
}

// isPolicy reports whether there is a policy, without schedResetOnFork, which has a priority.
func isPolicy(policy uint32, priority int32) bool {
	switch policy {
	case schedFIFO, schedRR:
		return priority >= 1 && priority <= 99
	case schedOther, schedBatch, schedIdle:
		return priority == 0
	}
	return false
}

// setPolicy sets a task's policy, which isPolicy has approved.
//
// Locks: tasks.mu held; not asserted: a new task, which nothing can find, needs no lock.
func (t *Task) setPolicy(c *percpu.CPU, policy uint32, priority int32) {
	t.policy.Store(policy)
	policy &^= schedResetOnFork
	t.SetIdle(policy == schedIdle)
	t.SetPolicy(c, uint32(priority), policy == schedRR)
}

// inheritStanding gives a new task the nice value and the policy of the one that makes it, or with schedResetOnFork
// none better than usual. A task that has the usual policy takes no lock.
//
// Context: no other task can find child.
// Locks: takes tasks.mu, if another policy was set.
func (t *Task) inheritStanding(c *percpu.CPU, child *Task) {
	child.Inherit(t.thread())
	child.InheritPolicy(t.thread())
	if t.policy.Load() == schedOther && child.Priority() == 0 && !child.IsIdle() {
		return
	}
	tasks.mu.Lock(c) // a setter stores several words
	policy := t.policy.Load()
	child.Inherit(t.thread())
	child.InheritPolicy(t.thread())
	tasks.mu.Unlock(c)
	child.policy.Store(policy &^ schedResetOnFork)
	switch {
	case policy&schedResetOnFork == 0:
	case isRealtime(policy):
		child.policy.Store(schedOther)
		child.ForgetPolicy()
		child.SetNice(0)
	case child.Nice() < 0:
		child.SetNice(0)
	}
}

// sysSchedGetscheduler returns the policy of a task.
func sysSchedGetscheduler(c *percpu.CPU, t *Task, f *cpu.Frame) (*percpu.CPU, uint64) {
	if int32(f.DI) < 0 {
		return c, errno(EINVAL)
	}
	policy, _, ok := policyIs(c, t, int32(f.DI))
	if !ok {
		return c, errno(ESRCH)
	}
	return c, uint64(policy)
}

// policyIs returns the policy and the priority of a task, of the caller for 0. ok is false if there is no such task.
//
// Locks: takes tasks.mu.
func policyIs(c *percpu.CPU, t *Task, id int32) (policy, priority uint32, ok bool) {
	tasks.mu.Lock(c)
	x := taskOrSelf(c, t, id)
	if ok = x != nil; ok {
		policy, priority = x.policy.Load(), x.Priority()
	}
	tasks.mu.Unlock(c)
	return policy, priority, ok
}

// isRealtime reports whether a policy has priorities.
func isRealtime(policy uint32) bool {
	policy &^= schedResetOnFork
	return policy == schedFIFO || policy == schedRR
}

// sysSchedGetparam stores the priority of a task.
func sysSchedGetparam(c *percpu.CPU, t *Task, f *cpu.Frame) (*percpu.CPU, uint64) {
	if int32(f.DI) < 0 || f.SI == 0 {
		return c, errno(EINVAL)
	}
	_, priority, ok := policyIs(c, t, int32(f.DI))
	if !ok {
		return c, errno(ESRCH)
	}
	if !t.Space.Store32(c, uintptr(f.SI), priority) {
		return c, errno(EFAULT)
	}
	return c, 0
}

// sysSchedGetPriorityMax returns the highest priority of a policy.
func sysSchedGetPriorityMax(c *percpu.CPU, _ *Task, f *cpu.Frame) (*percpu.CPU, uint64) {
	return c, priorityBound(int32(f.DI), 99)
}

// sysSchedGetPriorityMin returns the lowest priority of a policy.
func sysSchedGetPriorityMin(c *percpu.CPU, _ *Task, f *cpu.Frame) (*percpu.CPU, uint64) {
	return c, priorityBound(int32(f.DI), 1)
}

// priorityBound returns a bound of the priorities of a policy.
func priorityBound(policy int32, realtime uint64) uint64 {
	switch policy {
	case schedFIFO, schedRR:
		return realtime
	case schedOther, schedBatch, schedIdle:
		return 0
	}
	return errno(EINVAL)
}

// sysSchedRRGetInterval stores how long a turn of a task lasts while its equals wait: 0 for SCHED_FIFO, without turns.
func sysSchedRRGetInterval(c *percpu.CPU, t *Task, f *cpu.Frame) (*percpu.CPU, uint64) {
	if int32(f.DI) < 0 {
		return c, errno(EINVAL)
	}
	policy, _, ok := policyIs(c, t, int32(f.DI))
	if !ok {
		return c, errno(ESRCH)
	}
	turn := sched.Tick()
	if policy&^schedResetOnFork == schedFIFO {
		turn = 0
	}
	ts := [2]uint64{uint64(turn / clock.Second), uint64(turn % clock.Second)}
	if !t.Space.CopyOut(c, uintptr(f.SI), ptrTo(&ts), unsafe.Sizeof(ts)) {
		return c, errno(EFAULT)
	}
	return c, 0
}
