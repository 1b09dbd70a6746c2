package sched

import (
	"unsafe"

	"muster/kernel/atom"
	"muster/kernel/list"
	"muster/kernel/lock"
	"muster/kernel/mem"
	"muster/kernel/percpu"
)

// Kernel stacks that no thread uses.
var stacks struct {
	mu   lock.Spin
	free list.Stack // guarded by mu; the link is a stack's top word
	kept int        // stacks in free, guarded by mu
	pool mem.Pool
	made atom.Uint64 // stacks that have memory
}

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
func InitStacks() {
	stacks.mu.Rank = lock.RankCache
	stacks.pool.Init(StackSize)
}

// AllocStack returns a kernel stack, with a guard page below it. ok is false when
// little memory is left.
//
// Context: no lock held.
func AllocStack(c *percpu.CPU) (low, top uintptr, ok bool) {
	stacks.mu.Lock(c)
	k := stacks.free.Pop()
	if k != nil {
		stacks.kept--
	}
	stacks.mu.Unlock(c)
	if k != nil {
		low = stackOf(k)
		return low, low + StackSize, true
	}
	if !mem.Roomy(c) {
		return 0, 0, false
	}
	if low, ok = stacks.pool.Alloc(c); !ok {
		return 0, 0, false
	}
	stacks.made.Add(1)
	return low, low + StackSize, true
}

// FreeStack takes a kernel stack back. If many are free, some give their memory back.
//
// Context: no lock held. May wait for other CPUs' TLB flushes.
func FreeStack(c *percpu.CPU, low uintptr) {
	var batch [stackBatch]uintptr
	n := 0
	stacks.mu.Lock(c)
	stacks.free.Push(linkOf(low))
	if stacks.kept++; stacks.kept >= keptStacks+stackBatch {
		for ; n < stackBatch; n++ {
			batch[n] = stackOf(stacks.free.Pop())
		}
		stacks.kept -= stackBatch
	}
	stacks.mu.Unlock(c)
	if n > 0 {
		stacks.pool.Free(c, batch[:])
		stacks.made.Add(^uint64(stackBatch - 1))
	}
}

// StacksMade returns how many kernel stacks for threads have memory.
func StacksMade() uint64 { return stacks.made.Load() }

// StackHigh returns the deepest use, in bytes, of up to 32 stacks that are free now. It
// takes them meanwhile, so that no lock is held while it looks through one.
//
// Context: no lock held. Returns the CPU on which the thread goes on.
func StackHigh(c *percpu.CPU) (_ *percpu.CPU, deepest uint64) {
	var taken list.Stack
	for range 32 {
		stacks.mu.Lock(c)
		k := stacks.free.Pop()
		if k != nil {
			stacks.kept--
		}
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
