package linux

import (
	"unsafe"

	"muster/kernel/list"
	"muster/kernel/lock"
	"muster/kernel/mem"
	"muster/kernel/percpu"
	"muster/kernel/tree"
)

// The queues of futex. A program chooses addresses and the number of waiters, so no
// step may visit waiters at other addresses: the waiters of one address have a queue,
// and a bucket's queues are in a tree. Nothing is allocated when a task waits. Each
// task owns a queue object. The first task that waits at an address lends its object
// to be the queue; each later one adds its object to the spares of that queue; and a
// task that leaves takes a spare object away, or the queue itself if it is the last.
// (FreeBSD's sleepqueues and the turnstiles of Solaris do the same.) A task that is
// alone in its bucket, as most are, needs no queue: the bucket points to the task.

// futexQueue is the tasks that wait at one address, in the order of arrival; or an
// object that a task owns or has lent as a spare. Guarded by its bucket's lock.
type futexQueue struct {
	node  tree.Node  // in futexBucket.others; Key is the address
	spare list.Link  // in spares of another queue
	tasks list.List  // by Thread.Wait
	lent  list.Stack // spares: one for each task but one
	count int        // tasks
}

// futexBucket holds the queues of the addresses that hash to it.
type futexBucket struct {
	mu     lock.Spin
	alone  *Task       // waits in no queue, and no other task waits in the bucket
	one    *futexQueue // a queue that is not in the tree
	others tree.Tree
}

// futexBuckets is a power of two. A wait takes one bucket's lock, so the number of
// buckets bounds contention, not the number of waiters.
const futexBuckets = 64

// futexTable is the buckets of one process.
type futexTable struct {
	moves   lock.Spin // held while a task is between two buckets
	_       [48]byte
	buckets [futexBuckets]futexBucket
}

var (
	futexQueueCache = mem.Cache{Name: "futex queue"}
	futexTableCache = mem.Cache{Name: "futex table"}
	kernelFutexes   futexTable
)

func initFutexes() {
	futexQueueCache.Init(unsafe.Sizeof(futexQueue{}))
	futexTableCache.Init(unsafe.Sizeof(futexTable{}))
}

func (ft *futexTable) init() {
	ft.moves.Rank = lock.RankFutexMove
	for i := range ft.buckets {
		ft.buckets[i].mu.Rank = lock.RankFutex
	}
}

func newFutexTable(c *percpu.CPU) *futexTable {
	ft := (*futexTable)(futexTableCache.Alloc(c))
	if ft != nil {
		ft.init()
	}
	return ft
}

func newFutexQueue(c *percpu.CPU) *futexQueue { return (*futexQueue)(futexQueueCache.Alloc(c)) }

// bucket returns the bucket of an address. It computes a pointer: of an index expression the compiler keeps base and offset apart, and
// adds them at each use.
func (ft *futexTable) bucket(addr uintptr) *futexBucket {
	h := uint64(addr>>2) * 0x9e3779b97f4a7c15
	return (*futexBucket)(unsafe.Add(unsafe.Pointer(&ft.buckets), uintptr(h>>32%futexBuckets)*unsafe.Sizeof(futexBucket{})))
}

func queueOfNode(n *tree.Node) *futexQueue { return (*futexQueue)(unsafe.Pointer(n)) }

func queueOfSpare(k *list.Link) *futexQueue {
	return (*futexQueue)(unsafe.Add(unsafe.Pointer(k), -int(unsafe.Offsetof(futexQueue{}.spare))))
}

// find returns the queue of an address, nil if no task waits there.
//
// Locks: b.mu held.
func (b *futexBucket) find(c *percpu.CPU, addr uintptr) *futexQueue {
	b.mu.AssertHeld(c)
	if b.alone != nil {
		b.settle(c)
	}
	if q := b.one; q != nil && uintptr(q.node.Key) == addr {
		return q
	}
	if b.others.Root == nil {
		return nil
	}
	if n := b.others.AtLeast(uint64(addr)); n != nil && uintptr(n.Key) == addr {
		return queueOfNode(n)
	}
	return nil
}

// join makes t wait at an address, the last one there.
//
// Locks: b.mu held.
func (b *futexBucket) join(c *percpu.CPU, t *Task, addr uintptr) {
	b.mu.AssertHeld(c)
	t.bucket.Store(uintptr(unsafe.Pointer(b)))
	t.waits = true
	if b.alone == nil && b.one == nil && b.others.Root == nil {
		t.futexAddr = addr
		b.alone = t
		return
	}
	b.enter(c, t, addr, nil)
}

// settle gives the task that is alone in the bucket a queue.
//
// Locks: b.mu held.
func (b *futexBucket) settle(c *percpu.CPU) {
	b.mu.AssertHeld(c)
	t, q := b.alone, b.alone.queue
	b.alone, t.queue = nil, nil
	q.node.Key = uint64(t.futexAddr)
	q.count = 1
	q.tasks.Push(&t.Wait)
	t.inQueue, b.one = q, q // there is no other queue
}

// enter puts t into the queue of an address: at the end, or before a task that waits
// there.
//
// Locks: b.mu held.
func (b *futexBucket) enter(c *percpu.CPU, t *Task, addr uintptr, before *list.Node) {
	b.mu.AssertHeld(c)
	q, mine := b.find(c, addr), t.queue
	t.queue = nil
	switch {
	case q != nil:
		q.lent.Push(&mine.spare)
	case b.one == nil:
		q = mine
		q.node.Key = uint64(addr)
		b.one = q
	default:
		q = mine
		q.node.Key = uint64(addr)
		b.others.Insert(&q.node)
	}
	q.count++
	if before == nil {
		q.tasks.Push(&t.Wait)
	} else {
		q.tasks.Insert(&t.Wait, before)
	}
	t.inQueue = q
}

// leave ends t's wait, and gives t a queue object back.
//
// Locks: b.mu held.
func (b *futexBucket) leave(c *percpu.CPU, t *Task) {
	b.mu.AssertHeld(c)
	t.waits = false
	if b.alone == t {
		b.alone = nil
		return
	}
	q := t.inQueue
	q.tasks.Remove(&t.Wait)
	q.count--
	t.inQueue = nil
	k := q.lent.Pop()
	if k != nil {
		t.queue = queueOfSpare(k)
		return
	}
	if q == b.one {
		b.one = nil
	} else {
		b.others.Remove(&q.node)
	}
	t.queue = q
}

// leaveFutex looks whether a waker has taken the current task t out of its queue.
// If not, and the wait is to end, t leaves.
func (t *Task) leaveFutex(c *percpu.CPU, end bool) (woken, left bool) {
	b := (*futexBucket)(unsafe.Pointer(t.bucket.Load()))
	if b != nil {
		b.mu.Lock(c)
		if t.bucket.Load() == uintptr(unsafe.Pointer(b)) {
			woken = !t.waits
			left = end && !woken
			if left {
				b.leave(c, t)
			}
			b.mu.Unlock(c)
			return woken, left
		}
		b.mu.Unlock(c)
	}
	return t.leaveMoved(c, end)
}

// leaveMoved is leaveFutex for a task that is being moved, or just was.
func (t *Task) leaveMoved(c *percpu.CPU, end bool) (woken, left bool) {
	moves := &t.proc.futexes.moves
	moves.Lock(c) // while it is held t stays where it is
	b := (*futexBucket)(unsafe.Pointer(t.bucket.Load()))
	b.mu.Lock(c)
	woken = !t.waits
	left = end && !woken
	if left {
		b.leave(c, t)
	}
	b.mu.Unlock(c)
	moves.Unlock(c)
	return woken, left
}

// move makes up to n tasks that wait at an address wait at another one, in their
// order, and returns their number. A task that is between the two buckets is in no
// queue; a task that looks for its own bucket then takes ft.moves.
func (ft *futexTable) move(c *percpu.CPU, from, to uintptr, n int32) (moved int32) {
	if from == to {
		return n // where they are
	}
	a, b := ft.bucket(from), ft.bucket(to)
	ft.moves.Lock(c)
	for moved < n {
		a.mu.Lock(c)
		t := a.first(c, from)
		if t != nil {
			a.leave(c, t)
			t.bucket.Store(0)
		}
		a.mu.Unlock(c)
		if t == nil {
			break
		}
		b.mu.Lock(c)
		b.join(c, t, to)
		b.mu.Unlock(c)
		moved++
	}
	ft.moves.Unlock(c)
	return moved
}

// first returns the task that has waited longest at an address, nil for none. Wakers
// that stand in the queue are passed: each is a task that runs, and most likely there
// is none.
//
// Locks: b.mu held.
func (b *futexBucket) first(c *percpu.CPU, addr uintptr) *Task {
	b.mu.AssertHeld(c)
	q := b.find(c, addr)
	if q == nil {
		return nil
	}
	n := q.tasks.First()
	for i := 0; n != nil && waiter(n).passes && i < wakeBatch; i++ {
		n = q.tasks.Next(n)
	}
	if n == nil || waiter(n).passes {
		return nil
	}
	return waiter(n)
}
