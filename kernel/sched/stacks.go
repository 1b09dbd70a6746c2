package sched

import (
	"unsafe"

	"muster/kernel/abi"
	"muster/kernel/atom"
	"muster/kernel/list"
	"muster/kernel/lock"
	"muster/kernel/mem"
	"muster/kernel/percpu"
	"muster/kernel/upcall"
)

// Kernel stacks that no thread uses. Each CPU has a few, from which its next threads get theirs without a lock:
// interrupts are off, so no other CPU touches them. They become all CPUs' stacks when the CPU goes offline, and while frames
// are scarce: then a thread may need any stack that is free, since there is no memory for another one.
var stacks struct {
	own  mem.PerCPU // ownStacks, 0 before InitStacks
	_    [56]byte
	mu   lock.Spin
	free list.Stack // guarded by mu; the link is a stack's top word
	kept int        // stacks in free, guarded by mu
	pool mem.Pool
	made atom.Uint64 // stacks that have memory
}

// ownStacks is the free stacks of one CPU.
type ownStacks struct {
	free list.Stack
	n    atom.Uint32 // of the CPU that has them; others look whether it is 0
}

func (own *ownStacks) push(k *list.Link) {
	own.free.Push(k)
	own.n.Publish(own.n.Load() + 1)
}

// pop returns nil if there is none.
func (own *ownStacks) pop() *list.Link {
	k := own.free.Pop()
	if k != nil {
		own.n.Publish(own.n.Load() - 1)
	}
	return k
}

// ownMost is how many free stacks a CPU has of its own, at most.
const ownMost = 4

// keptStacks is how many free stacks keep their memory for the next threads, and
// stackBatch how many stacks beyond that give it back at a time: each time, all CPUs
// flush their TLBs.
const (
	keptStacks = 32
	stackBatch = 64
)

// linkOf returns the link in a free stack, and stackOf the stack of a link.
func linkOf(low uintptr) *list.Link { return (*list.Link)(unsafe.Pointer(low + StackSize - 8)) }

func stackOf(k *list.Link) (low uintptr) { return uintptr(unsafe.Pointer(k)) + 8 - StackSize }

// InitStacks prepares the stack allocator.
//
// Context: boot CPU, while no other one is online; per-CPU memory can be allocated.
func InitStacks(c *percpu.CPU) {
	stacks.mu.Rank = lock.RankCache
	stacks.pool.Init(StackSize)
	_, own, ok := mem.AllocPerCPU(c, unsafe.Sizeof(ownStacks{}), nil) //cpucheck:stays no other thread runs: breathe is nil
	if !ok {
		upcall.Panic(c, "sched: no memory for the boot CPU's free stacks", 0, 0)
	}
	stacks.own = own
	mem.AlsoGive(hasStacks, shareStacks)
}

// ownOf returns the free stacks of a CPU.
func ownOf(id uint32) *ownStacks { return (*ownStacks)(unsafe.Pointer(stacks.own.On(id))) }

// mayKeep reports whether a CPU may have free stacks of its own. Models have their own.
var mayKeep = mem.MayKeep

// AllocStack returns a kernel stack, with a guard page below it. ok is false when
// little memory is left.
//
// Context: no lock held.
// Locks: takes stacks.mu, if the CPU has no stack, and then those of memory, if no stack is free.
func AllocStack(c *percpu.CPU) (low, top uintptr, ok bool) {
	own := ownOf(c.ID)
	k := own.pop()
	if k == nil {
		k = own.fill(c)
	}
	if k != nil {
		low = stackOf(k)
	} else if low, ok = makeStack(c); !ok {
		return 0, 0, false
	}
	return low, low + StackSize, true
}

// fill takes a stack from those of all CPUs, nil if there is none, and some more for the CPU, which has none.
//
// Locks: takes stacks.mu.
func (own *ownStacks) fill(c *percpu.CPU) *list.Link {
	stacks.mu.Lock(c)
	k := takeShared(c)
	for k != nil && own.n.Load() < ownMost/2 && mayKeep() {
		more := takeShared(c)
		if more == nil {
			break
		}
		own.push(more)
	}
	stacks.mu.Unlock(c)
	return k
}

// takeShared takes one of the stacks of all CPUs, nil if there is none.
//
// Locks: stacks.mu held.
func takeShared(c *percpu.CPU) *list.Link {
	stacks.mu.AssertHeld(c)
	k := stacks.free.Pop()
	if k != nil {
		stacks.kept--
	}
	return k
}

// makeStack makes a stack, unless little memory is left. Models have their own.
var makeStack = func(c *percpu.CPU) (low uintptr, ok bool) {
	if !mem.Roomy(c) {
		return 0, false
	}
	if low, ok = stacks.pool.Alloc(c); ok {
		stacks.made.Add(1)
	}
	return low, ok
}

// FreeStack takes a kernel stack back. If many are free, some give their memory back.
//
// Context: no lock held. May wait for other CPUs' TLB flushes.
// Locks: takes stacks.mu, if the CPU has enough stacks, or frames are scarce.
func FreeStack(c *percpu.CPU, low uintptr) {
	own := ownOf(c.ID)
	left := uint32(ownMost / 2)
	if !mayKeep() {
		left = 0
	} else if own.n.Load() < ownMost {
		own.push(linkOf(low))
		return
	}
	if own.share(c, low, left) {
		trim(c)
	}
}

// share makes a stack, if low is not 0, one of all CPUs, and those that c has until it has left of them. It reports
// whether all CPUs have so many that some are to be freed.
//
// Context: on c, no lock held.
// Locks: takes stacks.mu.
func (own *ownStacks) share(c *percpu.CPU, low uintptr, left uint32) (many bool) {
	stacks.mu.Lock(c)
	if low != 0 {
		stacks.free.Push(linkOf(low))
		stacks.kept++
	}
	for own.n.Load() > left {
		stacks.free.Push(own.pop())
		stacks.kept++
	}
	many = manyStacks(c)
	stacks.mu.Unlock(c)
	return many
}

// manyStacks reports whether a batch of stacks is to be freed.
//
// Locks: stacks.mu held.
func manyStacks(c *percpu.CPU) bool {
	stacks.mu.AssertHeld(c)
	return stacks.kept >= keptStacks+stackBatch
}

// trim frees a batch of stacks if many are free.
//
// Context: no lock held. May wait for other CPUs' TLB flushes.
// Locks: takes stacks.mu.
func trim(c *percpu.CPU) {
	var batch [stackBatch]uintptr
	stacks.mu.Lock(c)
	many := manyStacks(c)
	if many {
		for i := range batch {
			batch[i] = stackOf(takeShared(c))
		}
	}
	stacks.mu.Unlock(c)
	if many {
		stacks.pool.Free(c, batch[:])
		stacks.made.Add(^uint64(stackBatch - 1))
	}
}

// shareStacks makes the free stacks of c those of all CPUs. It frees no memory, which may wait for other CPUs: the next
// thread that ends does.
//
// Context: on c, also in an interrupt; no lock held.
// Locks: takes stacks.mu.
func shareStacks(c *percpu.CPU) { ownOf(c.ID).share(c, 0, 0) }

// hasStacks reports whether a CPU has free stacks, at about this time.
func hasStacks(id uint32) bool { return ownOf(id).n.Load() != 0 }

// StacksMade returns how many kernel stacks for threads have memory.
func StacksMade() uint64 { return stacks.made.Load() }

// ReadStacks returns the state of the kernel stacks, as mem.ReadCache does that of a cache.
//
// Locks: takes stacks.mu.
func ReadStacks(c *percpu.CPU, out *abi.MemCache) {
	mem.NameCache(out, "kernel stack")
	out.Size = StackSize
	stacks.mu.Lock(c)
	out.Free = uint64(stacks.kept)
	made := stacks.made.Load()
	stacks.mu.Unlock(c)
	for id := range percpu.Count() {
		out.OfCPUs += uint64(ownOf(id).n.Load())
	}
	out.InUse = made - min(made, out.Free+out.OfCPUs)
	out.Bytes = made * StackSize
}

// StackHigh returns the deepest use, in bytes, of up to 32 stacks that are free now, without those
// that other CPUs have of their own. It takes them meanwhile, so that no lock is held while it looks through one.
//
// Context: no lock held. Returns the CPU on which the thread goes on.
func StackHigh(c *percpu.CPU) (_ *percpu.CPU, deepest uint64) {
	shareStacks(c)
	var taken list.Stack
	for range 32 {
		stacks.mu.Lock(c)
		k := takeShared(c)
		stacks.mu.Unlock(c)
		if k == nil {
			break
		}
		deepest = max(deepest, used(stackOf(k)))
		taken.Push(k)
		c = Breathe(c)
	}
	for k := taken.Pop(); k != nil; k = taken.Pop() {
		FreeStack(c, stackOf(k))
		c = Breathe(c)
	}
	return c, deepest
}

// StackUsed returns the deepest use of t's kernel stack, in bytes.
func (t *Thread) StackUsed() uint64 { return used(t.StackLow) }

// used returns how much of a stack was ever used: it is zero where nothing was
// stored.
func used(low uintptr) uint64 {
	a, top := low, low+StackSize
	for a < top-8 && *(*uint64)(unsafe.Pointer(a)) == 0 {
		a += 8
	}
	return uint64(top - a)
}
