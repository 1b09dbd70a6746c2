package linux

import (
	"testing"

	"github.com/stretchr/testify/require"

	"muster/kernel/percpu"
	"muster/kernel/sched"
)

// futexWaiters makes tasks wait, each at an address and for the bits of wakers.
func futexWaiters(c *percpu.CPU, list []*Task, addrs []uintptr, bits ...uint32) {
	for i, x := range list {
		b := x.proc.futexes.bucket(addrs[i%len(addrs)])
		x.wakers = futexMatchAny
		if len(bits) > 0 {
			x.wakers = bits[i%len(bits)]
		}
		b.mu.Lock(c)
		b.join(c, x, addrs[i%len(addrs)])
		b.mu.Unlock(c)
	}
}

func stillWait(list []*Task) (ids []uint32) {
	for _, x := range list {
		if x.waits {
			ids = append(ids, x.ID)
		}
	}
	return ids
}

// sameBucket returns n addresses that hash to one bucket.
func sameBucket(ft *futexTable, n int) (list []uintptr) {
	for addr := uintptr(0x1000); len(list) < n; addr += 4 {
		if ft.bucket(addr) == ft.bucket(0x1000) {
			list = append(list, addr)
		}
	}
	return list
}

// wakeFutex wakes the tasks that wait at its address, as many as it may, in order.
func TestWakeFutex(t *testing.T) {
	c := &percpu.CPU{}
	p, list := newTestProcess(c, 6)
	me, w := list[5], list[:5]
	addr := sameBucket(p.futexes, 2)
	futexWaiters(c, w, []uintptr{addr[0], addr[1], addr[0], addr[0], addr[0]})
	_, n := wakeFutex(c, me, addr[0], 2, futexMatchAny)
	require.EqualValues(t, 2, n)
	require.Equal(t, []uint32{2, 4, 5}, stillWait(w), "the first two")
	_, n = wakeFutex(c, me, addr[0], 100, futexMatchAny)
	require.EqualValues(t, 2, n)
	_, n = wakeFutex(c, me, addr[0], 100, futexMatchAny)
	require.Zero(t, n)
	require.Equal(t, []uint32{2}, stillWait(w))
	for _, x := range list {
		require.Equal(t, x.ID == 2, x.queue == nil, "each task that does not wait has a queue of its own")
	}
	_, n = wakeFutex(c, me, addr[1], 1, futexMatchAny)
	require.EqualValues(t, 1, n)
	b := p.futexes.bucket(addr[0])
	require.Nil(t, b.one)
	require.Nil(t, b.others.Root)
	seen := map[*futexQueue]bool{}
	for _, x := range list {
		require.False(t, seen[x.queue], "no two tasks own one queue")
		seen[x.queue] = true
	}
}

// A waker visits no waiter of another address, however many share the bucket.
func TestWakeVisitsOneQueue(t *testing.T) {
	c := &percpu.CPU{}
	p, list := newTestProcess(c, 2001)
	addrs := sameBucket(p.futexes, 2000)
	futexWaiters(c, list[:2000], addrs)
	b := p.futexes.bucket(addrs[0])
	b.mu.Lock(c)
	k, more := b.wake(c, list[2000], addrs[1999], 5, futexMatchAny, &sched.Woken{})
	b.mu.Unlock(c)
	require.EqualValues(t, 1, k)
	require.False(t, more, "one step")
	require.Len(t, stillWait(list), 1999)
}

// A waker passes waiters for other bits, in steps, and keeps its place when the waiters
// beside it go.
func TestWakeByBits(t *testing.T) {
	c := &percpu.CPU{}
	p, list := newTestProcess(c, 301)
	me, w := list[300], list[:300]
	addr := uintptr(0x1000)
	futexWaiters(c, w, []uintptr{addr}, 1, 1, 2)
	b := p.futexes.bucket(addr)
	steps := 0
	for more := true; more; steps++ {
		var k int32
		b.mu.Lock(c)
		k, more = b.wake(c, me, addr, 1000, 2, &sched.Woken{})
		require.LessOrEqual(t, k, int32(wakeBatch))
		if steps == 1 { // the marked place's neighbours leave by a signal
			for _, x := range w[125:131] {
				if x.waits {
					b.leave(c, x)
				}
			}
		}
		b.mu.Unlock(c)
		require.Equal(t, more, me.passes)
	}
	require.Greater(t, steps, 3)
	require.NotNil(t, me.queue)
	for i, x := range w {
		if i%3 == 2 {
			require.False(t, x.waits)
		} else if i < 125 || i > 130 {
			require.True(t, x.waits, "waiter %d", i)
		}
	}
	for more := true; more; {
		b.mu.Lock(c)
		_, more = b.wake(c, me, addr, 1000, 1, &sched.Woken{})
		b.mu.Unlock(c)
	}
	require.Empty(t, stillWait(list))
	require.Nil(t, b.one)
}

// Requeue wakes some, moves some in order, and leaves the rest.
func TestRequeue(t *testing.T) {
	c := &percpu.CPU{}
	p, list := newTestProcess(c, 10)
	addr, to := uintptr(0x1000), uintptr(0x2004)
	futexWaiters(c, list[:8], []uintptr{addr})
	_, there, woken, e := list[9].compareAndWake(c, addr, 0, false, 2)
	require.Zero(t, e)
	require.EqualValues(t, []int32{8, 2}, []int32{there, woken})
	require.EqualValues(t, 3, p.futexes.move(c, addr, to, 3))
	require.EqualValues(t, 5, p.futexes.move(c, addr, addr, 5), "to where they are")
	_, n := wakeFutex(c, list[9], to, 1, futexMatchAny)
	require.EqualValues(t, 1, n)
	require.Equal(t, []uint32{4, 5, 6, 7, 8}, stillWait(list), "the third waiter was first")
	woke, left := list[3].leaveFutex(c, true)
	require.Equal(t, [2]bool{false, true}, [2]bool{woke, left})
	_, n = wakeFutex(c, list[9], to, 10, futexMatchAny)
	require.EqualValues(t, 1, n)
	require.EqualValues(t, 3, p.futexes.move(c, addr, to, 9))
	woke, _ = list[2].leaveFutex(c, false)
	require.True(t, woke)
}
