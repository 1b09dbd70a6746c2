package linux

import (
	"unsafe"

	"muster/kernel/clock"
	"muster/kernel/list"
	"muster/kernel/lock"
	"muster/kernel/mem"
	"muster/kernel/percpu"
	"muster/kernel/sched"
	"muster/kernel/tree"
)

// Timers that send signals. Each belongs to a process and counts on one clock: on the
// machine's time, by a timer of package sched, or on CPU time, by a cpuClock. When a
// timer expires its signal becomes pending, with the timer as its place. The timer
// goes on with its interval when a task takes the signal, not before; so a program
// whose timers expire faster than it takes signals is busy with them itself, and no
// interrupt handler is. The expiries between count as overruns.
//
// A timer ends by the rules for objects: it is taken out of the tables first, and its
// memory is freed with the last reference. The table has one reference. The queue of
// package sched has one while the timer is armed there, which goes along to
// TimerExpired.
//
// Each timer has a lock, under which all of it changes. A signal for the process, and all that
// concerns timers on CPU time, hold the lock of the process, too: they search its tasks and its clocks of CPU time. To make a timer
// on the machine's time, to set it, to look at it, to delete it, its expiry if the signal is for one task, and the delivery of that signal need the
// timer's lock alone, and that of a part of the table. So tasks that have timers of their own share no cache line.
//
// A task that takes a timer's signal finds the timer by the set of pending signals, whose lock comes after the timer's.
// It takes the signal out of the set first, and then locks the timer to make it go on. If the timer has been set anew
// or deleted between the two, the timer stays as it was set: settings says so. The task compares it with fired as it was
// in the set, because the timer may have expired again. The task names the timer
// (seen.go) before it lets go of the set, so that a deletion between the two does not free the timer.
//
// An expiry names the task that is to take the signal, also without that lock. The task may have left its process since. Its
// set is closed then, and takes no timer any more: a task that ends takes off the timers in its set, and must see all of them.

// timer is one timer of a process; everything is guarded by mu but the fields that do not
// change.
type timer struct {
	wall   sched.Timer // first; armed on a clock of the machine's time
	byCPU  tree.Node   // in the due of cpu, Key is the time
	signal tree.Node   // in set.timers, Key is the signal
	byID   tree.Node   // in timerPart.byID, Key is the id
	member list.Node   // in the timers of cpu

	mu   lock.Spin
	proc *Process // has a reference if the timer is dead
	refs int

	clock    timerClock
	cpu      *cpuClock // of a timer on CPU time; nil when the thread has ended
	notify   notify
	internal bool   // of setitimer: the signal comes from the kernel
	sig      uint64 // does not change
	target   uint32 // the task for notifyThread
	value    uint64

	at       clock.Time  // the expiry that comes next, or whose signal is pending; clock.Never for none
	interval clock.Time  // 0 for none
	overruns uint32      // between the last signal's expiry and its delivery
	set      *pendingSet // where the signal is pending, until deliver has made the timer go on
	listed   bool        // in set.timers; guarded by the lock of the set
	settings uint64      // how often the timer was set anew
	fired    uint64      // settings when the signal became pending; stored with the lock of the set, too
	armings  int         // references of the queues of package sched: calls of TimerExpired that are to come
	queued   bool        // in the due of cpu
	dead     bool        // deleted: TimerExpired must leave it alone
}

// timerClock is the kind of time that a timer counts.
type timerClock uint8

const (
	timerWall     timerClock = iota // since boot
	timerRealtime                   // since 1970: absolute times differ
	timerCPU
)

// notify is what a timer does when it expires.
type notify uint8

const (
	notifyProcess notify = iota
	notifyNone
	notifyThread
)

const timerBytes = uint64(unsafe.Sizeof(timer{}))

var timerCache = mem.Cache{Name: "timer"}

func initTimers() { timerCache.Init(unsafe.Sizeof(timer{})) }

func timerOfSignal(n *tree.Node) *timer {
	return (*timer)(unsafe.Add(unsafe.Pointer(n), -int(unsafe.Offsetof(timer{}.signal))))
}

// newTimer makes a timer of p with one reference, which nothing can find yet; nil when
// memory is exhausted.
func newTimer(c *percpu.CPU, p *Process) *timer {
	if !p.mayGrow(c) {
		return nil
	}
	tm := (*timer)(timerCache.Alloc(c))
	if tm != nil {
		tm.mu.Rank = lock.RankTimer
		tm.proc, tm.refs, tm.at = p, 1, clock.Never
		p.chargeFor(c, int(timerBytes))
	}
	return tm
}

// free gives the memory of a timer without references back.
//
// Context: a task of its process is current.
func (tm *timer) free(c *percpu.CPU) {
	tm.proc.chargeFor(c, -int(timerBytes))
	tm.release(c)
}

// release is free for a timer that counts no more.
func (tm *timer) release(c *percpu.CPU) {
	awaitReaders(c, uintptr(unsafe.Pointer(tm)))
	freeTimer(c, tm)
}

// now is the time on the timer's clock.
func (tm *timer) now(c *percpu.CPU) clock.Time {
	if tm.clock != timerCPU {
		return clock.Now()
	}
	if tm.cpu == nil {
		return 0
	}
	return tm.cpu.now(c)
}

// arm makes the timer expire at a time of its clock; clock.Never for never. The timer
// is not armed.
//
// Locks: tm.mu held; for a timer on CPU time the lock of its process, too.
func (tm *timer) arm(c *percpu.CPU, at clock.Time) {
	tm.mu.AssertHeld(c)
	tm.at = at
	switch {
	case at == clock.Never || tm.notify == notifyNone:
	case tm.clock != timerCPU:
		tm.refs++
		tm.armings++
		tm.wall.Arm(c, at)
	case tm.cpu != nil:
		tm.cpu.insert(c, tm)
	}
}

// disarm withdraws what arm did, and the signal if it is pending.
//
// Locks: tm.mu held; for a timer on CPU time the lock of its process, too. Takes the lock of the set.
func (tm *timer) disarm(c *percpu.CPU) {
	tm.mu.AssertHeld(c)
	tm.at = clock.Never
	tm.settings++ // a task that has taken the signal, and has not locked the timer yet, does not arm it
	if tm.clock != timerCPU {
		if tm.wall.Disarm(c) {
			tm.refs--
			tm.armings--
		}
	} else if tm.queued {
		tm.cpu.remove(tm)
	}
	if s := tm.set; s != nil {
		s.mu.Lock(c)
		if tm.listed {
			s.unlist(tm)
			if s.plain&bit(tm.sig) == 0 && s.timer(tm.sig) == nil {
				s.bits.And(^bit(tm.sig))
			}
		}
		s.mu.Unlock(c)
		tm.set = nil
	}
}

// TimerExpired makes the signal of a timer on the machine's time pending, if the timer
// has not been set anew or deleted meanwhile. If it has been set anew, another call comes,
// even if the new time has passed already: until then a queue of package sched has the
// timer, and a timer that is delivered must not be in one, because deliver arms it.
// See upcall.Table.
func TimerExpired(c *percpu.CPU, wall uintptr) {
	tm := (*timer)(unsafe.Pointer(wall))
	p := tm.proc
	var to *Task
	if tm.notify == notifyThread {
		to = p.seen.name(c, tm.target)
	}
	if to == nil {
		p.mu.Lock(c)
	}
	tm.mu.Lock(c)
	tm.armings--
	switch {
	case !tm.expired(clock.Now()):
	case to != nil:
		tm.fireTo(c, to)
	default:
		tm.fire(c, nil)
	}
	if to == nil { // while the timer has the queue's reference: if it ends meanwhile, it keeps p
		tm.mu.Unlock(c)
		p.mu.Unlock(c)
		tm.mu.Lock(c)
	}
	tm.refs-- // the queue's
	last := tm.refs == 0
	tm.mu.Unlock(c)
	if to != nil {
		unname(c)
	}
	if last { // it is dead, and has a reference to p
		p.held.Add(^uint64(timerBytes - 1)) // in an interrupt, which is of no task
		tm.release(c)
		p.put(c)
	}
}

// expired reports whether a call of TimerExpired makes the signal pending.
//
// Locks: tm.mu held; not asserted: TimerExpired has just taken it.
func (tm *timer) expired(now clock.Time) bool {
	return !tm.dead && tm.armings == 0 && tm.set == nil && tm.at <= now
}

// fire makes the signal pending. prefer is the task that should take it, if it may.
//
// Locks: tm.proc.mu and tm.mu held. Takes the lock of a set.
func (tm *timer) fire(c *percpu.CPU, prefer *Task) {
	tm.proc.mu.AssertHeld(c)
	tm.mu.AssertHeld(c)
	p := tm.proc
	if tm.notify == notifyThread {
		to := p.find(c, tm.target)
		if to == nil {
			tm.at = clock.Never // the thread has ended
			return
		}
		p.seen.show(to)
		tm.fireTo(c, to)
		return
	}
	p.pending.hold(c, tm) // before taker looks at masks: see setMask
	shows := timerShows
	if to := p.taker(c, prefer, tm.sig, &shows); to != nil {
		to.wakeForSignal(c)
	}
}

// fireTo makes the signal pending for a task.
//
// Context: as wakeForSignal.
// Locks: tm.mu held. Takes the lock of the task's set.
func (tm *timer) fireTo(c *percpu.CPU, to *Task) {
	tm.mu.AssertHeld(c)
	if !to.pending.hold(c, tm) {
		tm.at = clock.Never // the thread has ended
		return
	}
	to.wakeForSignal(c)
}

// deliver makes the timer go on whose signal a task has taken out of a set. fired is of that signal.
//
// Context: the caller names the timer, and for a timer on CPU time has the lock of the process.
// Locks: takes tm.mu.
func (tm *timer) deliver(c *percpu.CPU, fired uint64) info {
	tm.mu.Lock(c)
	if tm.settings == fired { // else it was set anew
		tm.set = nil
		next := clock.Never
		tm.overruns = 0
		if tm.interval != 0 {
			now := tm.now(c)
			next, tm.overruns = following(tm.at, tm.interval, now)
			if tm.proc.ignores(tm.sig) { // no handler slows the program down
				next = max(next, later(now, sched.Tick()))
			}
		}
		tm.arm(c, next)
	}
	in := info{sig: tm.sig, code: codeTimer, addr: tm.byID.Key | uint64(tm.overruns)<<32}
	if tm.internal {
		in.code, in.addr = codeKernel, 0
	}
	tm.mu.Unlock(c)
	return in
}

// following returns the first time after now, counted from at in intervals, and how
// many of the times after at have passed.
func following(at, interval, now clock.Time) (next clock.Time, passed uint32) {
	if now < at {
		return at, 0
	}
	k := (now - at) / interval
	return later(at, later(k*interval, interval)), uint32(min(k, 1<<31-1))
}

// setTime makes the timer expire after a span of time, 0 for never, or at a time of its
// clock, and then in intervals. It returns what was left before.
//
// Locks: tm.mu held; for a timer on CPU time the lock of its process, too.
func (tm *timer) setTime(c *percpu.CPU, value, interval clock.Time, absolute bool) (left, every clock.Time) {
	tm.mu.AssertHeld(c)
	left, every = tm.left(c)
	tm.disarm(c)
	tm.interval, tm.overruns = interval, 0
	switch {
	case value == 0:
	case !absolute:
		tm.arm(c, later(tm.now(c), value))
	case tm.clock == timerRealtime:
		tm.arm(c, max(value-clock.Time(clock.Epoch()), 0))
	default:
		tm.arm(c, value)
	}
	return left, every
}

// left returns the time to the next expiry, 0 for none, and the interval.
//
// Locks: tm.mu held; not asserted: the callers have just taken it.
func (tm *timer) left(c *percpu.CPU) (left, every clock.Time) {
	if tm.at == clock.Never {
		return 0, tm.interval
	}
	now, at := tm.now(c), tm.at
	if tm.interval != 0 {
		at, _ = following(at, tm.interval, now)
	}
	if at <= now {
		if tm.notify == notifyNone {
			return 0, tm.interval
		}
		return 1, tm.interval // about to expire: 0 would say that it is not armed
	}
	return at - now, tm.interval
}

// end takes a timer out of everything but the table, and gives the table's reference
// up. last says that the caller frees it, without the lock. Else a call of TimerExpired is to come, which uses the process: the timer
// gets a reference to it.
//
// Context: the caller has the lock of the process if the timer counts CPU time.
// Locks: takes tm.mu.
func (tm *timer) end(c *percpu.CPU) (last bool) {
	tm.mu.Lock(c)
	tm.disarm(c)
	tm.dead = true
	if tm.cpu != nil {
		tm.cpu.timers.Remove(&tm.member)
		tm.cpu = nil
	}
	tm.refs--
	if last = tm.refs == 0; !last {
		tm.proc.refs.Get(c) // from a task of the process
	}
	tm.mu.Unlock(c)
	return last
}
