package mem

import (
	"muster/kernel/atom"
	"muster/kernel/clock"
	"muster/kernel/cpu"
	"muster/kernel/ipi"
	"muster/kernel/percpu"
	"muster/kernel/trace"
	"muster/kernel/upcall"
)

// TLB shootdown. A CPU that has removed translations requests a flush from every
// CPU that may hold them, and waits until all have flushed. A CPU answers in its
// interrupt handler, or while it spins with interrupts off. Each request is a
// number; one flush answers all requests that were made before it. posted.go has
// what a request is about.
//
// A CPU that has a program's space loaded and does not need it (Lazy) gets no request. It uses
// no translation of the program, and drops them all before it does again:
//
//	CPU 0 unmaps                    CPU 1 returns to a thread of the space (Space.Enter)
//	entry = 0                       Lazy = 0
//	FlushLate of CPU 1 = 1          FlushLate? then flush
//	Lazy of CPU 1? then that is all the thread runs
//
// Each CPU stores before it loads, and entry and Lazy are written by locked instructions. So
// if CPU 0 finds Lazy set, CPU 1 clears Lazy later, and finds FlushLate set. If CPU 0
// finds Lazy clear, it makes a request.
//
// A CPU that becomes lazy in between may or may not be waited for: on the way back it also looks
// whether a request is open. The tables of a lazy CPU's space stay in its CR3, and hardware
// walks them at any time, so a CPU that frees tables makes requests to lazy CPUs too.

// request adds a request to those of a CPU and returns the request's number.
func request(to *percpu.CPU) uint64 { return to.FlushRequests.Add(1) }

// answered reports whether a CPU has flushed since request n.
func answered(to *percpu.CPU, n uint64) bool { return int64(to.FlushDone.Load()-n) >= 0 }

// Install makes this package handle the flush IPI.
//
// Context: boot CPU, before the second CPU starts.
func Install() {
	ipi.Handle(ipi.Flush, onFlush)
}

// onFlush handles the flush IPI.
func onFlush(c *percpu.CPU, _ *cpu.Frame) { Answer(c) }

// Answer flushes this CPU's TLB if there is a request.
//
// Context: the flush interrupt, and every loop that spins with interrupts off.
func Answer(c *percpu.CPU) {
	requests := c.FlushRequests.Load()
	if c.FlushDone.Load() == requests {
		return
	}
	flushPosted(c) // after the Load of requests: it answers no later request
	c.FlushDone.Store(requests)
	trace.Add(c, trace.Flush, requests, 0)
}

// catchUp drops what was to be dropped while c was lazy.
//
// Context: c.Lazy has become 0.
func catchUp(c *percpu.CPU) {
	if c.FlushLate.Load() != 0 {
		forget(c)
		reload(c)
	}
	Answer(c)
}

// late leaves a flush to a CPU that does not need its space now. It reports false if the
// CPU needs it.
func late(to *percpu.CPU) bool {
	if to.Lazy.Load() == 0 {
		return false
	}
	raise(&to.FlushLate)
	return to.Lazy.Load() != 0 // again: it may have returned before it could find FlushLate
}

// Whether lazy CPUs must flush at once.
const (
	lazyToo  = true
	lazyLate = false
)

// flushOthers makes all CPUs of a set but c flush, and returns when they have. If lazy is
// lazyLate, those that do not need the space get no request: they flush later.
//
// Context: the translations are gone from the tables, by locked instructions; CPUs that spin
// answer.
func flushOthers(c *percpu.CPU, set *percpu.Mask, what pages, lazy bool) {
	// A request without its IPI would keep the next CPU that waits for the target: it waits
	// for the last request. So the two go together, though CPUs may leave the set.
	ipi.RequestSet(c, set, ipi.Flush, func(to *percpu.CPU) bool {
		if !lazy && late(to) {
			return false
		}
		post(to, what)
		request(to)
		return true
	})
	for id, ok := set.Next(0); ok; id, ok = set.Next(id + 1) {
		if to := percpu.Get(id); to != c && (lazy || to.Lazy.Load() == 0) {
			await(c, to, to.FlushRequests.Load(), set)
		}
	}
}

// FlushOne makes one other CPU flush its TLB and waits for it.
func FlushOne(c, to *percpu.CPU) {
	if to == c || !to.IsOnline() {
		return
	}
	post(to, everything)
	n := request(to)
	ipi.Send(c, to, ipi.Flush)
	await(c, to, n, Kernel.cpus)
}

// Leave makes c hold no translation that changes: no CPU waits for its flushes from now on.
// What it still uses are the kernel's fixed mappings.
//
// Context: on c, which goes offline, interrupts off.
func Leave(c *percpu.CPU) {
	LeaveUser(c)
	Kernel.cpus.Clear(c.ID)
}

// flushLimit is the time for an answer.
const flushLimit = 10 * clock.Second

// await waits until a CPU has answered request n. After 10 ms it repeats the IPI,
// and then at doubled intervals: an IPI may be lost. After ten seconds the kernel
// panics, because going on would leave a stale translation. While a virtual CPU stands
// still, the wait begins again: only the CPU that flushes can say that it has.
//
// A CPU leaves the set when it holds none of its translations any more, or goes offline. Then
// nothing waits for it: it may never answer.
func await(c, to *percpu.CPU, n uint64, set *percpu.Mask) {
	if answered(to, n) {
		return
	}
	gap := 10 * clock.Millisecond
	again, end := clock.After(gap), clock.After(flushLimit)
	for turns := 1; !answered(to, n) && set.Has(to.ID); turns++ {
		Answer(c)
		atom.Pause()
		if turns%256 != 0 {
			continue
		}
		if again.Passed() {
			gap = min(2*gap, clock.Second)
			again = clock.After(gap)
			ipi.Repeat(c, to, ipi.Flush)
		}
		if !end.Passed() {
			continue
		}
		if stalled := upcall.Stalled(c); !stalled && !answered(to, n) && set.Has(to.ID) {
			upcall.Panic(c, "mem: TLB flush not answered; CPU, request", uint64(to.ID), n)
		}
		end = clock.After(flushLimit)
	}
}
