package sched

import (
	"math/bits"
	"unsafe"

	"muster/kernel/atom"
	"muster/kernel/console"
	"muster/kernel/lock"
	"muster/kernel/percpu"
)

// On which CPUs a thread may run, and what code may change each part of a thread that is not the caller's.
//
//	state     the token decides: one CPU makes a parked thread ready, by a swap, and the thread is that CPU's until it is
//	          in a queue. What is in a queue belongs to the queue's lock, and what runs to its CPU.
//	cpu       the CPU that runs the thread, when it begins.
//	in        under the lock of the queue that the thread comes into, or leaves.
//	weight    under the lock of the queue in which the thread counts. A nice value is one word: see nice.go.
//	bound     under binding.mu of the thread; read without it.
//	level     while the thread counts in no queue, or by its CPU under the lock of that CPU's queue: see policy.go.
//
// So no lock is held from the look at a thread to the change of its place, and a wake-up takes none but the queue's.
// A waker, a CPU that steals and one that puts a thread back may all have read a set that is not up to date. What holds
// all the same is that a thread runs code outside the core on CPUs of its set alone. The means are those of a signal.
// Bind stores the set, then WorkSettle, and then looks whether a CPU runs the thread. A CPU that begins to run a thread says
// so, and looks at WorkSettle when it leaves the core. Both store first and load later, with locked instructions. So
// at least one of them sees the other: Bind interrupts that CPU, or the CPU finds WorkSettle. It then reads
// the set under the lock, and a thread that may not stay goes to another CPU: see Settle. A placement that used
// the old set was over before the thread ran.
//
// A thread that waits in the queue of a CPU that is not in the set would move when its turn came. Bind does not wait for
// that: it takes the thread out under the lock of that queue, if it is still there.
//
// If no CPU of a set is online, the thread may run anywhere from then on, as on Linux. The CPU that looks for a place for
// the thread notices that: see unbind.

// binding is the set of CPUs on which a thread may run.
type binding struct {
	bound atom.Uint32 // boundNowhere, boundToSet, or boundTo and the number of the only CPU
	mu    lock.Spin
	set   percpu.Mask // with boundToSet; its memory is word, or a block that Bind was given
	word  uint64
}

// Values of binding.bound. The one CPU of most sets is in the word itself.
const (
	boundNowhere = iota // the thread may run on all CPUs
	boundToSet
	boundTo
)

// WorkSettle is the bit of Thread.Work that says that the set of CPUs, or the policy, has changed.
const WorkSettle = 1 << 3

// SetWords is a set of CPUs with room for all.
type SetWords [percpu.Max / 64]uint64

// may reports whether a thread may run on a CPU.
func (t *Thread) may(id uint32) bool {
	b := t.binding.bound.Load()
	return b == boundNowhere || b == boundTo+id || b == boundToSet && t.binding.set.Has(id)
}

// IsBound reports whether there may be CPUs on which t must not run.
func (t *Thread) IsBound() bool { return t.binding.bound.Load() != boundNowhere }

// Set copies the set of CPUs on which t may run; those beyond the machine's are not in it.
//
// Context: t cannot be freed.
// Locks: takes t.binding.mu.
func (t *Thread) Set(c *percpu.CPU, words *SetWords) {
	b := &t.binding
	b.mu.Lock(c)
	for i := range words {
		words[i] = b.at(uint32(i))
	}
	b.mu.Unlock(c)
}

// at returns a word of the set.
//
// Locks: b.mu held; not asserted: the callers have just taken it.
func (b *binding) at(i uint32) uint64 {
	all := onMachine(i)
	switch bound := b.bound.Load(); {
	case bound == boundNowhere:
		return all
	case bound == boundToSet:
		return b.set.Word(i) & all
	case (bound-boundTo)/64 == i:
		return 1 << ((bound - boundTo) % 64)
	}
	return 0
}

// onMachine returns a word of the set of all CPUs of the machine.
func onMachine(i uint32) uint64 {
	n := percpu.Count()
	switch {
	case n <= 64*i:
		return 0
	case n-64*i >= 64:
		return ^uint64(0)
	}
	return 1<<(n-64*i) - 1
}

// NeedsBlock reports whether Bind needs memory for a set of several CPUs. A CPU that comes online later may be in a set, too, so
// all that the machine has room for count.
func NeedsBlock() bool { return percpu.Limit() > 64 }

// Bind sets the CPUs on which t may run, some of which are online. block is zeroed memory of the size of a SetWords, if
// NeedsBlock says so. used says that it belongs to the thread from now on: Block returns it.
//
// Context: t cannot be freed; any state. A CPU outside the set that runs t is interrupted, if it is not c.
// Locks: takes t.binding.mu, and a run queue's after that.
func (t *Thread) Bind(c *percpu.CPU, words *SetWords, block uintptr) (used bool) {
	b := &t.binding
	b.mu.Lock(c)
	used = b.store(words, block)
	b.mu.Unlock(c)
	t.Work.Or(WorkSettle) // after the set, and before the look: see above
	displace(c, t)
	return used
}

// bindTo sets what t, the current thread, has for its set: boundNowhere, or one CPU.
//
// Locks: takes t.binding.mu.
func (t *Thread) bindTo(c *percpu.CPU, bound uint32) {
	t.binding.mu.Lock(c)
	t.binding.bound.Store(bound)
	t.binding.mu.Unlock(c)
}

// BindNew gives a new thread the set of the one that makes it. block is as Bind's.
//
// Context: nothing has started t.
// Locks: takes from.binding.mu, then t.binding.mu.
func (t *Thread) BindNew(c *percpu.CPU, from *Thread, block uintptr) (used bool) {
	var words SetWords
	from.Set(c, &words)
	b := &t.binding
	b.mu.Lock(c)
	used = b.store(&words, block)
	b.mu.Unlock(c)
	return used
}

// store stores a set. Code that reads it meanwhile, without the lock, finds each CPU that is in both sets, old and new.
//
// Locks: b.mu held; not asserted: the callers have just taken it.
func (b *binding) store(words *SetWords, block uintptr) (used bool) {
	bound := kindOf(words)
	if bound == boundToSet {
		if b.set.Memory() == nil {
			if used = block != 0; !used {
				block = uintptr(unsafe.Pointer(&b.word))
			}
			b.set.Init(block, percpu.Limit())
		}
		for i := range (percpu.Limit() + 63) / 64 {
			b.set.SetWord(i, words[i%uint32(len(words))]&onMachine(i))
		}
	}
	b.bound.Store(bound)
	return used
}

// kindOf returns what bound is for a set.
func kindOf(words *SetWords) uint32 {
	all, found, several, last := true, false, false, uint32(0)
	for i := range (percpu.Count() + 63) / 64 {
		m := onMachine(i)
		w := words[i%uint32(len(words))] & m
		all = all && w == m
		if w != 0 {
			several = several || found || w&(w-1) != 0
			found, last = true, 64*i+uint32(bits.TrailingZeros64(w))
		}
	}
	switch {
	case all:
		return boundNowhere
	case several:
		return boundToSet
	}
	return boundTo + last
}

// Block returns the block that Bind has used, 0 for none.
//
// Context: nothing can find t any more.
func (t *Thread) Block() uintptr {
	b := &t.binding
	if p := b.set.Memory(); p != unsafe.Pointer(&b.word) {
		return uintptr(p)
	}
	return 0
}

// displace makes a thread leave the queue of a CPU that is not in its set, or the CPU.
//
// Context: t cannot be freed.
// Locks: takes a run queue's.
func displace(c *percpu.CPU, t *Thread) {
	if in := t.in.Load(); in != 0 && !t.may(in-1) && local(percpu.Get(in-1)).takeOut(c, t) {
		enqueue(c, t)
		return
	}
	if to := t.runner(); to != nil && !t.may(to.ID) { // after WorkSettle
		kick(c, to)
	}
}

// IsAstray reports whether a CPU outside t's set runs t, which will soon be over.
//
// Context: t cannot be freed.
func (t *Thread) IsAstray() bool {
	to := t.runner()
	return to != nil && !t.may(to.ID)
}

// Settle makes the current thread go to another CPU if it may not run on this one. Else the thread takes the policy that was set for
// it, and gives way to the threads that come before it now.
//
// Context: after WorkSettle was cleared, on the way out of the core, or before; no lock held. Returns the CPU on which the thread
// goes on.
// Locks: takes the thread's binding.mu, and then run queues'.
func Settle(c *percpu.CPU) *percpu.CPU {
	t := Current(c)
	t.binding.mu.Lock(c)
	may := t.may(c.ID)
	t.binding.mu.Unlock(c)
	switch {
	case !may:
		return reschedule(c, leaveMoved)
	case !t.isSettled():
		return reschedule(c, leaveSettled)
	}
	return c
}

// place is enqueue for a thread that may not run on all CPUs. The order is the same: the CPU that ran it last, if that is idle, else
// another idle one, else the last one, or the one with the fewest threads. It reports false if the thread may run on all CPUs by now.
//
// Locks: takes the queues', and the thread's binding.mu.
func place(c *percpu.CPU, t *Thread) (ok bool) {
	for t.IsBound() {
		last := t.cpu.Load()
		if !packs && t.may(last) && idle.Has(last) && idle.Clear(last) && giveClaimed(c, percpu.Get(last), t) {
			local(c).did[toPrevious]++
			return true
		}
		for id, ok := t.nextIdle(0); ok; id, ok = t.nextIdle(id + 1) {
			if idle.Clear(id) && giveClaimed(c, percpu.Get(id), t) {
				local(c).note(last, id)
				return true
			}
		}
		if giveBusy(c, t, last) {
			local(c).did[toBusy]++
			return true
		}
		if unbind(c, t) {
			warnUnbound(c, t)
		}
	}
	return false
}

// giveBusy gives a thread to one of its CPUs, none of which is idle: to the last one, or to that with the fewest
// threads, or to any that takes threads.
//
// Locks: takes the queues'.
func giveBusy(c *percpu.CPU, t *Thread, last uint32) (ok bool) {
	if giveUrgent(c, last, t) || t.may(last) && giveAndOffer(c, last, t) {
		return true
	}
	n := percpu.Count()
	best, least := n, ^uint32(0)
	for id := range n {
		if v := percpu.Get(id); v.Sched != 0 && v.IsOnline() && t.may(id) && local(v).count.Load() < least {
			best, least = id, local(v).count.Load()
		}
	}
	if best < n && giveAndOffer(c, best, t) {
		return true
	}
	for id := range n {
		if percpu.Get(id).Sched != 0 && t.may(id) && giveAndOffer(c, id, t) {
			return true
		}
	}
	return false
}

// giveAndOffer is give, after which a CPU that has become idle may come and steal: see enqueue.
//
// Locks: takes the queue's.
func giveAndOffer(c *percpu.CPU, id uint32, t *Thread) (ok bool) {
	to := percpu.Get(id)
	if !give(c, to, t) {
		return false
	}
	offer(c, local(to))
	return true
}

// offer wakes an idle CPU that may run a thread which waits in q.
//
// Locks: takes q.mu, if a CPU is idle.
func offer(c *percpu.CPU, q *runQueue) {
	if idle.IsEmpty() {
		return
	}
	if _, ok := idle.Next(0); !ok {
		return
	}
	q.mu.Lock(c)
	n := pulled
	for t := q.waiting(nil); t != nil && n > 0; t, n = q.waiting(t), n-1 {
		if id, ok := t.claim(q.id); ok {
			kick(c, percpu.Get(id))
			break
		}
	}
	q.mu.Unlock(c)
}

// claim takes an idle CPU that may run t out of the set. It leaves the CPU in whose queue t waits, which may have found another thread.
func (t *Thread) claim(in uint32) (id uint32, ok bool) {
	for id, ok = t.nextIdle(0); ok; id, ok = t.nextIdle(id + 1) {
		if id != in && idle.Clear(id) {
			return id, true
		}
	}
	return 0, false
}

// nextIdle returns the next idle CPU from id on that may run t.
func (t *Thread) nextIdle(id uint32) (next uint32, ok bool) {
	switch b := t.binding.bound.Load(); b {
	case boundNowhere:
		return idle.Next(id)
	case boundToSet:
		return idle.NextOf(&t.binding.set, id)
	default:
		return b - boundTo, b-boundTo >= id && idle.Has(b-boundTo)
	}
}

// unbind lets a thread run anywhere of whose CPUs none is online any more, as Linux does. It reports false if one is
// by now.
//
// Context: t is ready and in no queue. The caller may hold a lock.
// Locks: takes t.binding.mu.
func unbind(c *percpu.CPU, t *Thread) (none bool) {
	t.binding.mu.Lock(c)
	none = true
	for id := range percpu.Count() {
		none = none && !(t.may(id) && percpu.Get(id).IsOnline())
	}
	if none {
		t.binding.bound.Store(boundNowhere)
	}
	t.binding.mu.Unlock(c)
	return none
}

// warnUnbound is logUnbound, but in tests.
var warnUnbound = logUnbound

func logUnbound(c *percpu.CPU, t *Thread) {
	var l console.Line
	console.Warn(c, l.Str("sched: thread ").Dec(uint64(t.ID)).Str(" may run on all CPUs: cpu").Dec(uint64(t.cpu.Load())).
		Str(" goes offline, and no other CPU of its set is online"))
}
