package sched

import (
	"muster/kernel/percpu"
	"muster/kernel/trace"
)

// Where a thread that became ready goes, and how its CPU notices.

// enqueue puts a thread that is ready on a CPU's queue and makes that CPU notice.
// It chooses the CPU that ran the thread last if that is idle, else the nearest idle
// CPU, else one whose thread comes after it by its level, else the last one. Where several threads wait there already,
// it may be a CPU with less load.
//
// Locks: takes the queue's.
func enqueue(c *percpu.CPU, t *Thread) {
	if t.IsBound() && place(c, t) {
		return
	}
	last := t.cpu.Load()
	if !idle.IsEmpty() && giveIdle(c, last, t) {
		return
	}
	local(c).did[toBusy]++
	to := percpu.Get(last)
	if local(to).count.Load() >= crowd {
		last = lighter(c, last, t)
		to = percpu.Get(last)
	}
	if (t.nextLevel() == levelFair || percpu.Count() == 1 || !giveUrgent(c, last, t)) && !give(c, to, t) {
		refuge(c, last, t)
	}
	// A CPU that became idle after the first look, and looked at this queue before
	// the thread was there, is in the set by now: it may come and steal.
	if !idle.IsEmpty() {
		wakeIdle(c, last)
	}
}

// giveIdle is give for an idle CPU. It reports false if there is none.
func giveIdle(c *percpu.CPU, last uint32, t *Thread) bool {
	for id, ok := claim(last); ok; id, ok = claim(last) { // seldom twice
		if giveClaimed(c, percpu.Get(id), t) {
			local(c).note(last, id)
			return true
		}
	}
	return false
}

// giveClaimed is give for an idle CPU that was taken out of the set. If that CPU has found another thread meanwhile, another idle CPU may come
// and steal.
func giveClaimed(c, to *percpu.CPU, t *Thread) (ok bool) {
	n, better := bring(c, to, t)
	if n > 1 || n == 1 && !better {
		offer(c, local(to))
	}
	return n != 0
}

// wakeIdle makes an idle CPU look at the queues, if there is one.
func wakeIdle(c *percpu.CPU, last uint32) {
	if id, ok := claim(last); ok {
		kick(c, percpu.Get(id))
	}
}

// claim takes an idle CPU out of the set, first if it is in it.
func claim(first uint32) (id uint32, ok bool) {
	if idle.IsEmpty() {
		return 0, false
	}
	return claimMember(first)
}

// claimMember is claim for a set that may have members.
func claimMember(first uint32) (id uint32, ok bool) {
	if packs {
		return claimLowest()
	}
	if idle.Has(first) && idle.Clear(first) {
		return first, true
	}
	return claimNear(first)
}

// give puts t on a CPU's queue and, by kick, interrupts that CPU if it should switch, or if it does not
// tick: the tick will make it switch. It reports false if that CPU takes no threads.
func give(c, to *percpu.CPU, t *Thread) (ok bool) {
	n, _ := bring(c, to, t)
	return n != 0
}

// bring is give. Its results are put's.
func bring(c, to *percpu.CPU, t *Thread) (n uint32, better bool) {
	q := local(to)
	id, short := t.ID, t.isShort() // once it is in the queue, it may run, end and be freed
	if n, better = q.put(c, t); n == 0 {
		return 0, false
	}
	trace.Add(c, trace.Wake, uint64(id), uint64(to.ID))
	if better {
		kick(c, to)
		return n, true
	}
	if q.ticking.Load() == 0 { // after the thread was put into the queue: see plan
		wantTick(c, to)
	}
	if short && q.looks.Load() == 0 { // as above
		wantLook(c, to)
	}
	return n, false
}
