package linux

import (
	"unsafe"

	"muster/kernel/percpu"
	"muster/kernel/sched"
	"muster/kernel/tree"
)

// timerTable is the timers of a process, guarded by its lock.
type timerTable struct {
	byID     tree.Tree
	count    uint32 // in byID
	next     uint32 // id for the next timer
	cpu      cpuClock
	virtual  cpuClock // CPU time outside the core alone
	interval [3]*timer
}

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
		}
		tt.next = (tt.next + 1) & (1<<31 - 1)
		if free {
			return 0
		}
	}
	return EAGAIN
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
		tt.byID.Remove(n)
		tt.count--
		return timerOfID(n)
	}
	for i, tm := range tt.interval {
		if tm != nil {
			tt.interval[i] = nil
			return tm
		}
	}
	return nil
}
