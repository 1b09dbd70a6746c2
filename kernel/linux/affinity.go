package linux

import (
	"unsafe"

	"muster/kernel/clock"
	"muster/kernel/cpu"
	"muster/kernel/mem"
	"muster/kernel/percpu"
	"muster/kernel/sched"
)

// setCache has the sets of tasks on machines with more than 64 CPUs: of those tasks alone that may run on several CPUs,
// and not on all.
var setCache = mem.Cache{Name: "CPU set"}

// initAffinity prepares it. How many CPUs there are is not known yet.
func initAffinity() { setCache.Init(unsafe.Sizeof(sched.SetWords{})) }

// newBlock returns memory for a set, 0 where none is needed. ok is false if memory is exhausted.
func newBlock(c *percpu.CPU) (block uintptr, ok bool) {
	if !sched.NeedsBlock() {
		return 0, true
	}
	block = uintptr(setCache.Alloc(c))
	return block, block != 0
}

func freeBlock(c *percpu.CPU, block uintptr) {
	if block != 0 {
		setCache.Free(c, unsafe.Pointer(block))
	}
}

// sysSchedGetaffinity returns the CPUs that are online of those on which a task may run, in whole words.
func sysSchedGetaffinity(c *percpu.CPU, t *Task, f *cpu.Frame) (*percpu.CPU, uint64) {
	n := percpu.Count()
	size := uintArg(f.SI)
	if size*8 < uint64(n) || size&7 != 0 {
		return c, errno(EINVAL)
	}
	var set sched.SetWords
	if !t.affinityOf(c, int32(f.DI), &set) {
		return c, errno(ESRCH)
	}
	for i := range (n + 63) / 64 {
		set[i%uint32(len(set))] &= onlineWord(64 * i)
	}
	bytes := min(uint64(percpu.MaskBytes(n)), size)
	if !t.Space.CopyOut(c, uintptr(f.DX), ptrTo(&set), uintptr(bytes)) {
		return c, errno(EFAULT)
	}
	return c, bytes
}

// affinityOf copies the CPUs on which the task with an id may run. It reports false if there is no such task. For the caller
// no lock is needed that others share.
//
// Locks: takes tasks.mu for another task.
func (t *Task) affinityOf(c *percpu.CPU, id int32, set *sched.SetWords) (ok bool) {
	if id == 0 || uint32(id) == t.ID {
		t.Set(c, set)
		return true
	}
	tasks.mu.Lock(c)
	x := taskOrSelf(c, t, id)
	if x != nil {
		x.Set(c, set)
	}
	tasks.mu.Unlock(c)
	return x != nil
}

// leaveLimit is how long sched_setaffinity waits for another CPU to leave a task: that has interrupts off for a much
// shorter time.
const leaveLimit = clock.Second

// sysSchedSetaffinity sets on which CPUs a task may run. When it returns, no other CPU runs the task outside the core.
func sysSchedSetaffinity(c *percpu.CPU, t *Task, f *cpu.Frame) (*percpu.CPU, uint64) {
	var set sched.SetWords
	bytes := min(uintArg(f.SI), uint64(percpu.MaskBytes(percpu.Count())))
	if bytes > 0 && !t.Space.CopyIn(c, ptrTo(&set), uintptr(f.DX), uintptr(bytes)) {
		return c, errno(EFAULT)
	}
	block, ok := newBlock(c)
	if !ok {
		return c, errno(ENOMEM)
	}
	id := int32(f.DI)
	used, e := t.setAffinity(c, id, &set, block)
	if !used {
		freeBlock(c, block)
	}
	if e != 0 {
		return c, errno(e)
	}
	return t.awaitMove(c, id), 0
}

// awaitMove waits until no CPU outside its set runs the task with an id, or the limit is reached, or t has to exit. If t itself may
// not stay on its CPU any more, it goes to another one meanwhile: two tasks that bind each other would both wait for the limit.
//
// Context: no lock held. Returns the CPU on which t goes on.
func (t *Task) awaitMove(c *percpu.CPU, id int32) *percpu.CPU {
	for limit := clock.Now() + leaveLimit; isAstray(c, t, id) && clock.Now() < limit && t.Work.Load()&workExit == 0; {
		c = sched.Breathe(c)
		if t.Work.Load()&workSettle != 0 {
			c = sched.Settle(c) // the bit stays: the way out of the core looks again
		}
	}
	return c
}

// setAffinity sets on which CPUs the task with an id may run. used is Bind's.
//
// Locks: takes tasks.mu for another task.
func (t *Task) setAffinity(c *percpu.CPU, id int32, set *sched.SetWords, block uintptr) (used bool, e Errno) {
	some := anyOnline(set)
	if some && (id == 0 || uint32(id) == t.ID) {
		return t.Bind(c, set, block), 0
	}
	tasks.mu.Lock(c)
	switch x := taskOrSelf(c, t, id); {
	case x == nil:
		e = ESRCH
	case x.proc.user != t.proc.user:
		e = EPERM
	case !some:
		e = EINVAL
	default:
		used = x.Bind(c, set, block)
	}
	tasks.mu.Unlock(c)
	return used, e
}

// isAstray reports whether another CPU runs the task with an id, and must not.
//
// Locks: takes tasks.mu for another task.
func isAstray(c *percpu.CPU, t *Task, id int32) bool {
	if id == 0 || uint32(id) == t.ID {
		return false
	}
	tasks.mu.Lock(c)
	x := taskOrSelf(c, t, id)
	astray := x != nil && x.IsAstray()
	tasks.mu.Unlock(c)
	return astray
}

// inheritSet gives a new task the CPUs of the one that makes it. It reports false if memory is exhausted.
//
// Context: no other task can find child.
func (t *Task) inheritSet(c *percpu.CPU, child *Task) (ok bool) {
	if !t.IsBound() {
		return true
	}
	block, ok := newBlock(c)
	if ok && !child.BindNew(c, t.thread(), block) {
		freeBlock(c, block)
	}
	return ok
}

// anyOnline reports whether a CPU of a set is online.
func anyOnline(set *sched.SetWords) (some bool) {
	for i := range (percpu.Count() + 63) / 64 {
		some = some || set[i%uint32(len(set))]&onlineWord(64*i) != 0
	}
	return some
}

// onlineWord returns which of 64 CPUs are online.
func onlineWord(first uint32) (word uint64) {
	for id := first; id < min(first+64, percpu.Count()); id++ {
		if percpu.Get(id).IsOnline() {
			word |= 1 << (id - first)
		}
	}
	return word
}

// taskOrSelf returns the task with an id, t for 0, nil if there is no such task.
//
// Locks: tasks.mu held.
func taskOrSelf(c *percpu.CPU, t *Task, id int32) *Task {
	tasks.mu.AssertHeld(c)
	switch {
	case id == 0:
		return t
	case id < 0:
		return nil
	}
	return findTask(c, uint32(id))
}
