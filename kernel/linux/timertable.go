package linux

import (
	"unsafe"

	"muster/kernel/atom"
	"muster/kernel/layout"
	"muster/kernel/lock"
	"muster/kernel/mem"
	"muster/kernel/percpu"
	"muster/kernel/sched"
	"muster/kernel/tree"
)

// timerTable is the timers of a process. Those of timer_create are in parts, which are made with the first one; the rest is guarded by the
// lock of the process.
type timerTable struct {
	parts    atom.Uintptr // *timerParts, 0 for none; stored once, under the lock
	cpu      cpuClock
	virtual  cpuClock // CPU time outside the core alone
	interval [3]*timer
}

// timerParts is the timers that timer_create has made: a page. A CPU makes timers in its own part, so tasks on different CPUs that make, use and
// delete timers share no cache line.
type timerParts [partsOfTimers]timerPart

// timerPart is the timers whose ids have the same remainder by partsOfTimers.
type timerPart struct {
	mu    lock.Spin
	next  uint32 // of the next timer: its id without the part
	count uint32 // in byID
	byID  tree.Tree
	seen  [timersSeen]seenPlace // by the last bits of the ids without the part; stored under mu
	_     [partBytes - unsafe.Sizeof(lock.Spin{}) - 8 - unsafe.Sizeof(tree.Tree{}) - 8*timersSeen]byte
}

const (
	partsOfTimers = 16
	partBytes     = layout.PageSize / partsOfTimers
	// timersSeen is the number of timers of a part that are found without its lock: one of those whose ids have the same last
	// bits. It is a power of two.
	timersSeen = 16
)

var _ [layout.PageSize]byte = [unsafe.Sizeof(timerParts{})]byte{}

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

func (ps *timerParts) init() {
	for i := range ps {
		ps[i].mu.Rank = lock.RankTimerPart
	}
}

// load returns the parts, nil if there is no timer yet.
func (tt *timerTable) load() *timerParts { return (*timerParts)(unsafe.Pointer(tt.parts.Load())) }

// makeParts makes the parts of a process's table, if it has none; false when memory is exhausted.
//
// Locks: takes p.mu.
func (p *Process) makeParts(c *percpu.CPU) bool {
	if p.timers.load() != nil {
		return true
	}
	if !p.mayGrow(c) {
		return false
	}
	frame, ok := mem.AllocZeroed(c)
	if !ok {
		return false
	}
	ps := (*timerParts)(unsafe.Pointer(mem.Direct(frame)))
	ps.init()
	p.mu.Lock(c)
	first := p.timers.load() == nil
	if first {
		p.timers.parts.Store(uintptr(unsafe.Pointer(ps))) // complete; pairs with the Load in load
	}
	p.mu.Unlock(c)
	if first {
		p.chargeFor(c, layout.PageSize)
	} else {
		mem.FreeFrame(c, frame)
	}
	return true
}

// freeParts frees the parts, which have no timers.
//
// Context: a task of p is current, and no other task uses the table.
func (p *Process) freeParts(c *percpu.CPU) {
	if ps := p.timers.load(); ps != nil {
		p.timers.parts.Store(0)
		freePage(c, uintptr(unsafe.Pointer(ps)))
	}
}

// add gives a complete timer its id: from here on calls find it, and may end it. The timer is made in the part of the CPU, or the next
// one that is not full. If named is set, the id is the timer's value, too.
//
// Locks: takes that of a part.
func (tt *timerTable) add(c *percpu.CPU, tm *timer, named bool) (id uint32, e Errno) {
	ps := tt.load()
	for i := range uint32(partsOfTimers) {
		n := (c.ID + i) % partsOfTimers
		if id, ok := ps[n].add(c, tm, n, named); ok {
			return id, 0
		}
	}
	return 0, EAGAIN
}

// add is timerTable.add in one part, which has a number.
//
// Locks: takes pt.mu.
func (pt *timerPart) add(c *percpu.CPU, tm *timer, part uint32, named bool) (id uint32, ok bool) {
	pt.mu.Lock(c)
	for range idTries {
		if pt.count == maxTimers/partsOfTimers {
			break
		}
		id = pt.next*partsOfTimers + part
		pt.next = (pt.next + 1) % (1 << 31 / partsOfTimers)
		if pt.find(uint64(id)) != nil {
			continue
		}
		tm.byID.Key = uint64(id)
		if named {
			tm.value = uint64(id)
		}
		pt.byID.Insert(&tm.byID)
		pt.count++
		pt.place(uint64(id)).show(unsafe.Pointer(tm))
		ok = true
		break
	}
	pt.mu.Unlock(c)
	return id, ok
}

// place returns the place of a timer in seen.
func (pt *timerPart) place(id uint64) *seenPlace { return &pt.seen[id/partsOfTimers%timersSeen] }

// find returns the timer with an id, nil for none.
//
// Locks: pt.mu held; not asserted: the callers have just taken it.
func (pt *timerPart) find(id uint64) *timer {
	if n := pt.byID.AtLeast(id); n != nil && n.Key == id {
		return timerOfID(n)
	}
	return nil
}

// part returns the part of an id, nil if there is none.
func (tt *timerTable) part(id uint64) *timerPart {
	ps := tt.load()
	if ps == nil {
		return nil
	}
	return &ps[id%partsOfTimers]
}

// remove takes the timer with an id out of the table: from here on no call finds it, and the caller has the table's reference. nil
// if there is none.
//
// Locks: takes that of a part.
func (tt *timerTable) remove(c *percpu.CPU, id uint64) *timer {
	pt := tt.part(id)
	if pt == nil {
		return nil
	}
	pt.mu.Lock(c)
	tm := pt.find(id)
	if tm != nil {
		pt.drop(tm)
	}
	pt.mu.Unlock(c)
	return tm
}

// drop takes a timer out of a part.
//
// Locks: pt.mu held; not asserted: the callers have just taken it.
func (pt *timerPart) drop(tm *timer) {
	pt.byID.Remove(&tm.byID)
	pt.count--
	pt.place(tm.byID.Key).hide(unsafe.Pointer(tm))
}

// name returns the timer with an id, and keeps its memory until unname (seen.go); nil if there is none. The timer may have ended.
//
// Locks: takes that of a part, or none.
func (tt *timerTable) name(c *percpu.CPU, id uint64) *timer {
	pt := tt.part(id)
	if pt == nil {
		return nil
	}
	w := pt.place(id)
	if tm := (*timer)(w.name(c)); tm != nil {
		if tm.byID.Key == id {
			return tm
		}
		unname(c)
	}
	pt.mu.Lock(c)
	tm := pt.find(id)
	if tm != nil {
		w.show(unsafe.Pointer(tm))
		nameHeld(c, unsafe.Pointer(tm)) // remove waits for the lock
	}
	pt.mu.Unlock(c)
	return tm
}

// useTimer locks the timer with an id and returns it, nil if there is none. A word of the CPU names the timer until doneWith: the timer's own
// lock could not keep its memory. whole says that the caller has the lock of the process, too, which timers on CPU time need.
//
// Locks: takes p.mu if it must, and the timer's, which the caller has afterwards.
func (p *Process) useTimer(c *percpu.CPU, id uint64) (tm *timer, whole bool) {
	if tm = p.timers.name(c, uintArg(id)); tm == nil {
		return nil, false
	}
	if whole = tm.clock == timerCPU; whole {
		p.mu.Lock(c)
	}
	tm.mu.Lock(c)
	if tm.dead {
		p.doneWith(c, tm, whole)
		return nil, false
	}
	return tm, whole
}

// doneWith ends the use of a timer, or of none.
//
// Locks: none; releases those of useTimer.
func (p *Process) doneWith(c *percpu.CPU, tm *timer, whole bool) {
	if tm == nil {
		return
	}
	tm.mu.Unlock(c)
	if whole {
		p.mu.Unlock(c)
	}
	unname(c)
}

// deleteTimers ends all timers of a process, one in each step.
func (p *Process) deleteTimers(c *percpu.CPU) *percpu.CPU {
	tt := &p.timers
	for {
		p.mu.Lock(c)
		tm := tt.any(c)
		if tm == nil {
			p.mu.Unlock(c)
			p.freeParts(c)
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
// Locks: Process.mu held; not asserted: the callers have just taken it. Takes those of the parts.
func (tt *timerTable) any(c *percpu.CPU) *timer {
	if ps := tt.load(); ps != nil {
		for i := range ps {
			pt := &ps[i]
			pt.mu.Lock(c)
			n := pt.byID.First()
			if n != nil {
				pt.drop(timerOfID(n))
			}
			pt.mu.Unlock(c)
			if n != nil {
				return timerOfID(n)
			}
		}
	}
	for i, tm := range tt.interval {
		if tm != nil {
			tt.interval[i] = nil
			return tm
		}
	}
	return nil
}
