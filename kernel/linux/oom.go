package linux

import (
	"unsafe"

	"muster/kernel/abi"
	"muster/kernel/clock"
	"muster/kernel/console"
	"muster/kernel/cpu"
	"muster/kernel/layout"
	"muster/kernel/list"
	"muster/kernel/lock"
	"muster/kernel/mem"
	"muster/kernel/percpu"
	"muster/kernel/sched"
	"muster/kernel/upcall"
)

// When memory is exhausted, the largest program ends: the one whose end gives most
// back, and not the one that happens to need the next page. The kernel's own process
// is never chosen. While a program ends, others that need a page wait for its memory.
//
// A system call that is refused memory has the answer ENOMEM for the largest program alone, which may
// know what to do without. For any other program, and for the kernel's own runtime, the largest one
// ends, as if the call had been a page fault: a small program is not to fail because a large one has all.

// programs is every program in ring 3 that runs, or is ending.
var programs struct {
	mu   lock.Spin
	list list.List // of Process.program
}

func programOf(n *list.Node) *Process {
	return (*Process)(unsafe.Add(unsafe.Pointer(n), -int(unsafe.Offsetof(Process{}.program))))
}

// enlist makes p one of the programs. A program is complete then.
func (p *Process) enlist(c *percpu.CPU) {
	programs.mu.Lock(c)
	programs.list.Push(&p.program)
	programs.mu.Unlock(c)
}

// delist takes p out: its memory is free, and p may be freed after this.
func (p *Process) delist(c *percpu.CPU) {
	programs.mu.Lock(c)
	if p.program.Linked() {
		programs.list.Remove(&p.program)
	}
	programs.mu.Unlock(c)
}

// heldBatch is how many bytes at most a task keeps back from what its process holds. If each task added to the process at once,
// tasks that make and free objects would share the line of that sum. So a footprint is wrong by less than a fifth, however many
// tasks there are: each counts for a stack and more.
const heldBatch = sched.StackSize / 4

// charge adds bytes of kernel memory to what the current process holds: positive when
// an object for it is made, negative when the object is freed. Host tests have no
// current process.
func charge(c *percpu.CPU, bytes int) {
	t := current(c)
	if t == nil {
		return
	}
	t.held += bytes
	if t.held > heldBatch || t.held < -heldBatch {
		t.settleHeld()
	}
}

// chargeFor is charge for a process that need not be the current one.
//
// Context: a task is current.
func (p *Process) chargeFor(c *percpu.CPU, bytes int) {
	if t := current(c); t != nil && t.proc == p {
		charge(c, bytes)
	} else {
		p.held.Add(uint64(bytes))
	}
}

// settleHeld adds what t has kept back to what its process holds.
func (t *Task) settleHeld() {
	if t.held != 0 {
		t.proc.held.Add(uint64(t.held))
		t.held = 0
	}
}

// footprint is the memory that comes back when a program ends, in bytes.
type footprint struct{ own, kernel uint64 }

// footprint returns what p holds.
//
// Locks: takes p.mu.
func (p *Process) footprint(c *percpu.CPU) footprint {
	p.mu.Lock(c)
	tasks := uint64(p.count)
	p.mu.Unlock(c)
	held := uint64(max(int64(p.held.Load()), 0)) // what another process made for it may be freed first
	return footprint{
		own:    p.Space.Charged() * layout.PageSize,
		kernel: p.Space.KernelBytes() + tasks*(sched.StackSize+uint64(unsafe.Sizeof(Task{}))) + held,
	}
}

// relief is what relieve found.
type relief uint8

const (
	noRelief   relief = iota // there is no program that may end
	endsSelf                 // the program of the caller ends
	endsOthers               // another one ends, or is ending
	hasCome                  // there is memory now
)

// scope is the set of programs that relieve may end.
type scope uint8

const (
	anyone     scope = iota
	others           // not that of the caller, even if it is the largest
	onlyEnding       // only what is ending already
)

// relieve ends the largest program, if it may, unless one is ending already, or there is memory again.
//
// Context: memory is exhausted; no lock held.
// Locks: takes programs.mu, and p.mu of each program inside it.
func relieve(c *percpu.CPU, self *Process, may scope) relief {
	mem.Recall(c)
	programs.mu.Lock(c)
	if mem.Enough(c) { // CPUs gave frames back, or a program has ended since the caller's allocation failed
		programs.mu.Unlock(c)
		return hasCome
	}
	p, has := largest(c)
	if p != nil && p.exiting.Load() == 0 {
		if may == onlyEnding || may == others && p == self {
			programs.mu.Unlock(c)
			return noRelief
		}
		p.sayExhausted(c, has)
		p.end(c, 128+SIGKILL) // under the lock: p is not freed
	}
	programs.mu.Unlock(c)
	switch p {
	case nil:
		return noRelief
	case self:
		return endsSelf
	}
	return endsOthers
}

// largest returns the program that holds most memory, or one that is ending; nil if
// there is no program.
//
// Locks: programs.mu held. Takes p.mu of each program.
func largest(c *percpu.CPU) (p *Process, has footprint) {
	programs.mu.AssertHeld(c)
	for n := programs.list.First(); n != nil; n = programs.list.Next(n) {
		o := programOf(n)
		if o.exiting.Load() != 0 {
			return o, footprint{}
		}
		if f := o.footprint(c); p == nil || f.own+f.kernel > has.own+has.kernel {
			p, has = o, f
		}
	}
	return p, has
}

// sayExhausted prints which program ends because memory is exhausted, and how much it
// has.
func (p *Process) sayExhausted(c *percpu.CPU, has footprint) {
	var l console.Line
	l.Str("process ").Dec(uint64(p.ID)).Str(" (").Str(nameText(&p.name)).Str("): out of memory, the largest program, ended; it had ").
		Dec(has.own >> 10).Str(" KiB, and ").Dec(has.kernel >> 10).Str(" KiB of the kernel's; free ").
		Dec(mem.ReadStats(c).Free * (layout.PageSize >> 10)).Str(" KiB")
	console.Warn(c, &l)
}

// reliefWait is how long a thread without a page waits before it tries again.
const reliefWait = clock.Millisecond

// outOfMemory handles a page fault for which there is no page. If another program
// ends, the thread waits a moment, and then repeats the instruction.
//
// Context: a fault outside the core; no lock held. Returns the CPU on which the
// thread goes on.
func (t *Task) outOfMemory(c *percpu.CPU, f *cpu.Frame) *percpu.CPU {
	switch relieve(c, t.proc, anyone) {
	case noRelief: // so t is the kernel's
		s := mem.ReadStats(c)
		upcall.To.Panic(c, f, "memory of the kernel's own runtime exhausted; free pages, of", s.Free, s.Total)
	case endsOthers:
		c, _ = sched.ParkUntil(c, clock.Now()+reliefWait)
	}
	return c
}

// RelieveCopy is outOfMemory for a page that the core needs when it copies from or to
// memory of a program, where it cannot wait. It reports whether the copy may take the
// page from the kernel's reserve, because another program's memory comes back. See
// upcall.Table.
func RelieveCopy(c *percpu.CPU) bool {
	t := current(c)
	r := relieve(c, t.proc, anyone)
	return r == endsOthers || r == hasCome
}

// noMemory ends a call that has said ENOMEM. It is made again if memory comes back; otherwise the
// answer is ENOMEM, or what Linux says instead.
//
// Context: no lock held. Returns the CPU on which the task goes on.
func noMemory(c *percpu.CPU, f *cpu.Frame, h Handler) (_ *percpu.CPU, r uint64) {
	t := current(c) // and no argument, so that no other call keeps it
	r = errno(ENOMEM)
	if t.wasRefused() {
		c, r = t.repeat(c, f, h)
	}
	t.partly = false
	if r == errno(ENOMEM) {
		switch uintArg(f.AX) {
		case numBrk:
			return t.proc.endOfData(c)
		case numClone, numClone3, numTimerCreate:
			r = errno(EAGAIN) // the Go runtime tries again
		}
	}
	return c, r
}

// wasRefused reports whether a call that says ENOMEM may say so because there were no frames: any request was
// refused since t last repeated a call. Calls have other reasons for ENOMEM, which no memory helps. A call that has taken
// areas away is not made again: another thread may have mapped something there meanwhile.
func (t *Task) wasRefused() bool { return !t.partly && t.refusals != mem.Refusals() }

// repeatLimit is how long a call waits for the memory of programs that end, and repeatMost how
// often it finds memory and is refused again. Other CPUs may take what comes back bit by bit, or the call may need
// a lot.
const (
	repeatLimit = 10 * clock.Second
	repeatMost  = 100
)

// repeat makes a call again that was refused memory: when CPUs have given back what they had cached, and while the
// memory of a program that ends comes back. The call has undone what it did, or does not mind to find
// it done. It holds no lock now.
//
// The first time no program is ended for it: the call may have another reason for ENOMEM, and then it is refused no
// memory when it is made again.
//
// Context: no lock held. Returns the CPU on which the task goes on.
func (t *Task) repeat(c *percpu.CPU, f *cpu.Frame, h Handler) (_ *percpu.CPU, r uint64) {
	may := others
	if uintArg(f.AX) >= abi.First { // the kernel's own calls make programs, for which no other one has to end
		may = onlyEnding
	}
	r = errno(ENOMEM)
	end := clock.Now() + repeatLimit
	now := onlyEnding
	for came := 0; r == errno(ENOMEM) && t.wasRefused() && t.Work.Load()&workExit == 0; now = may {
		t.refusals = mem.Refusals()
		switch relieve(c, t.proc, now) {
		case hasCome:
			if came++; came > 1 {
				c, _ = sched.ParkUntil(c, clock.Now()+reliefWait)
			}
		case endsOthers:
			c, _ = sched.ParkUntil(c, clock.Now()+reliefWait)
		default:
			if now == may {
				came = repeatMost // the call may need less than plenty: once more with what the CPUs gave back
			}
		}
		id, refused := c.ID, c.Refused
		c, r = h(c, t, f)
		if c.ID == id && c.Refused == refused {
			break // no memory was refused: the call has another reason
		}
		if came >= repeatMost || clock.Now() >= end {
			break
		}
	}
	return c, r
}
