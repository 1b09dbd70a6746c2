package linux

import (
	"unsafe"

	"muster/kernel/percpu"
	"muster/kernel/sched"
	"muster/kernel/tree"
)

// timerTable is the timers of a process, guarded by its lock. The field seen is also read without it.
type timerTable struct {
	seen     [timersSeen]seenPlace // *timer by the last bits of its id
	byID     tree.Tree
	count    uint32 // in byID
	next     uint32 // id for the next timer
	cpu      cpuClock
	virtual  cpuClock // CPU time outside the core alone
	interval [3]*timer
}

// timersSeen is the number of timers that are found without the lock of the process: one of those whose ids have the
// same last bits. It is a power of two.
const timersSeen = 32

// maxTimers is the largest number of timers of a process: as many as it can have
// threads with a profiling timer each.
const maxTimers = 32768

func timerOfID(n *tree.Node) *timer {
	return (*timer)(unsafe.Add(unsafe.Pointer(n), -int(unsafe.Offsetof(timer{}.byID))))
}

func (tt *timerTable) init(u *sched.Usage) {
	tt.cpu.usage = u
	tt.virtual.usage = u
	tt.virtual.user = true
}

// add gives a complete timer its id: from here on calls find it.
//
// Locks: Process.mu held; not asserted: the callers have just taken it.
func (tt *timerTable) add(tm *timer) Errno {
	if tt.count == maxTimers {
		return EAGAIN
	}
	for range idTries {
		n := tt.byID.AtLeast(uint64(tt.next))
		free := n == nil || n.Key != uint64(tt.next)
		if free {
			tm.byID.Key = uint64(tt.next)
			tt.byID.Insert(&tm.byID)
			tt.count++
			tt.show(tm)
		}
		tt.next = (tt.next + 1) & (1<<31 - 1)
		if free {
			return 0
		}
	}
	return EAGAIN
}

// place returns the place of a timer in seen.
func (tt *timerTable) place(id uint64) *seenPlace { return &tt.seen[id%timersSeen] }

// show makes lock find a timer.
//
// Locks: Process.mu held; not asserted: the callers have just taken it.
func (tt *timerTable) show(tm *timer) { tt.place(tm.byID.Key).show(unsafe.Pointer(tm)) }

// remove takes a timer out of the table: from here on no call finds it.
//
// Locks: Process.mu held; not asserted: the callers have just taken it.
func (tt *timerTable) remove(tm *timer) {
	tt.byID.Remove(&tm.byID)
	tt.count--
	tt.place(tm.byID.Key).hide(unsafe.Pointer(tm))
}

// lock returns the timer with an id, locked, for a call that changes nothing outside it: unlock ends that. If the result is
// nil, such a call goes by the lock of the process. A word of the CPU names the timer until then (seen.go): the timer's own lock could
// not keep its memory.
//
// Locks: takes the timer's, which the caller has afterwards.
func (tt *timerTable) lock(c *percpu.CPU, id uint64) *timer {
	id &= 1<<32 - 1
	tm := (*timer)(tt.place(id).name(c))
	if tm == nil {
		return nil
	}
	if tm.byID.Key == id && tm.clock != timerCPU {
		tm.mu.Lock(c)
		if !tm.dead {
			return tm
		}
		tm.mu.Unlock(c)
	}
	unname(c)
	return nil
}

// unlock ends what lock began.
//
// Locks: tm.mu held; released.
func (tm *timer) unlock(c *percpu.CPU) {
	tm.mu.AssertHeld(c)
	tm.mu.Unlock(c)
	unname(c)
}

// useTimer locks the timer with an id and returns it, nil if there is none. whole says that the caller has the lock of the process,
// too. doneWith ends the use.
//
// Locks: takes p.mu if it must, and the timer's, which the caller has afterwards.
func (p *Process) useTimer(c *percpu.CPU, id uint64) (tm *timer, whole bool) {
	if tm = p.timers.lock(c, id); tm != nil {
		return tm, false
	}
	p.mu.Lock(c)
	if tm = p.timers.find(id); tm != nil {
		p.timers.show(tm)
		tm.mu.Lock(c)
	}
	return tm, true
}

// doneWith ends the use of a timer, or of none.
//
// Locks: none; releases those of useTimer.
func (p *Process) doneWith(c *percpu.CPU, tm *timer, whole bool) {
	switch {
	case !whole:
		tm.unlock(c)
		return
	case tm != nil:
		tm.mu.Unlock(c)
	}
	p.mu.Unlock(c)
}

// find returns the timer with an id, nil for none.
//
// Locks: Process.mu held; not asserted: the callers have just taken it.
func (tt *timerTable) find(id uint64) *timer {
	id &= 1<<32 - 1
	if n := tt.byID.AtLeast(id); n != nil && n.Key == id {
		return timerOfID(n)
	}
	return nil
}

// deleteTimers ends all timers of a process, one in each step.
func (p *Process) deleteTimers(c *percpu.CPU) *percpu.CPU {
	tt := &p.timers
	for {
		p.mu.Lock(c)
		tm := tt.any()
		if tm == nil {
			p.mu.Unlock(c)
			return c
		}
		last := tm.end(c)
		p.mu.Unlock(c)
		if last {
			tm.free(c)
		}
		c = sched.Breathe(c)
	}
}

// any takes a timer out of the table, nil if there is none.
//
// Locks: Process.mu held; not asserted: the callers have just taken it.
func (tt *timerTable) any() *timer {
	if n := tt.byID.First(); n != nil {
		tm := timerOfID(n)
		tt.remove(tm)
		return tm
	}
	for i, tm := range tt.interval {
		if tm != nil {
			tt.interval[i] = nil
			return tm
		}
	}
	return nil
}
