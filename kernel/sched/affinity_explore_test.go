//go:build explore

package sched

import (
	"math/bits"
	"math/rand/v2"
	"runtime"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"

	"muster/kernel/percpu"
)

// cpus makes a machine with n CPUs that are online, with queues, none of them idle.
func cpus(t *testing.T, n uint32) []*percpu.CPU {
	percpu.Reset()
	table := make([]*percpu.CPU, n)
	percpu.SetTable(uintptr(unsafe.Pointer(&table[0])), n)
	list, queues, threads := make([]*percpu.CPU, n), make([]runQueue, n), make([]*Thread, n)
	for i := range list {
		c := &percpu.CPU{}
		c.Init(uint32(i))
		c.State.Store(percpu.Online)
		x := thread(0, ClassKernel)
		x.cpu.Store(c.ID)
		queues[i].init(x)
		queues[i].ticking.Store(1)
		queues[i].looks.Store(1)
		queues[i].running.Store(levelKernel)
		c.Sched = uintptr(unsafe.Pointer(&queues[i]))
		c.Current = uintptr(unsafe.Pointer(x))
		list[i], threads[i] = c, x
		percpu.Register(c)
	}
	words := make([]uint64, (n+63)/64)
	idle.Init(uintptr(unsafe.Pointer(&words[0])), n)
	known := []any{table, list, queues, threads, words} // the code under test knows them by address
	t.Cleanup(func() { percpu.Reset(); runtime.KeepAlive(known) })
	return list
}

// setOf returns random CPUs below n, about one in a few.
func setOf(r *rand.Rand, n uint32) (s SetWords, count int) {
	few := 1 + r.Uint32N(n)
	for i := range n {
		if r.Uint32N(few) == 0 {
			s[i/64] |= 1 << (i % 64)
			count++
		}
	}
	return s, count
}

func has(s *SetWords, id uint32) bool { return s[id/64]>>(id%64)&1 != 0 }

// where returns the CPU in whose queue a thread is.
func where(t *testing.T, list []*percpu.CPU, x *Thread) uint32 {
	t.Helper()
	found := -1
	for i, c := range list {
		for y := local(c).waiting(nil); y != nil; y = local(c).waiting(y) {
			if x == y {
				require.Equal(t, -1, found, "in two queues")
				found = i
			}
		}
	}
	require.EqualValues(t, found+1, x.in.Load())
	return uint32(found)
}

// Sets of all sizes, on machines of one to a few hundred CPUs: a thread that becomes ready, is ready or is pulled is
// in the queue of a CPU of its set, that which Set returns.
func TestBoundRandom(t *testing.T) {
	for _, n := range []uint32{1, 2, 5, 63, 64, 65, 200} {
		list := cpus(t, n)
		c := list[0]
		r := rand.New(rand.NewPCG(1, uint64(n)))
		for range 300 {
			x := thread(1, []Class{ClassUser, ClassKernel}[r.IntN(2)])
			x.cpu.Store(r.Uint32N(n))
			x.state.Store(stReady)
			block := new(SetWords)
			used := false
			for range 4 {
				set, count := setOf(r, n)
				if count == 0 {
					continue
				}
				for i := range list {
					idle.Clear(uint32(i))
					if r.IntN(3) == 0 {
						idle.Set(uint32(i))
					}
				}
				free := 0
				for i := range n {
					if has(&set, i) && idle.Has(i) {
						free++
					}
				}
				at := x.in.Load()
				moves := at == 0 || !has(&set, at-1)
				used = x.Bind(c, &set, uintptr(unsafe.Pointer(block))) || used
				var got SetWords
				x.Set(c, &got)
				require.Equal(t, set, got)
				require.Equal(t, count < int(n), x.IsBound())
				require.NotZero(t, x.Work.Load()&WorkSettle)
				if x.in.Load() == 0 {
					enqueue(c, x)
				}
				on := where(t, list, x)
				require.True(t, has(&set, on))
				if moves && free > 0 {
					require.False(t, idle.Has(on))
				}
				for i, v := range list {
					if y := local(v).pull(list[0], true); y != nil {
						require.True(t, y == x && uint32(i) == on && has(&set, 0))
						enqueue(c, x)
						require.True(t, has(&set, where(t, list, x)))
						break
					}
				}
			}
			if at := x.in.Load(); at != 0 {
				require.True(t, local(list[at-1]).takeOut(c, x))
				require.False(t, local(list[at-1]).takeOut(c, x))
			}
			require.Equal(t, used, x.Block() == uintptr(unsafe.Pointer(block)))
		}
	}
}

// A thread whose CPUs are all busy waits where the fewest wait, or where it ran last.
func TestBoundGoesToTheShortestQueue(t *testing.T) {
	list := cpus(t, 4)
	for i, k := range []int{0, 3, 2, 1} {
		for range k {
			local(list[i]).add(list[0], thread(9, ClassKernel))
		}
	}
	x := thread(1, ClassUser)
	x.Bind(list[0], &SetWords{0b0110}, 0)
	enqueue(list[0], x)
	require.EqualValues(t, 2, where(t, list, x))
	y := thread(2, ClassUser)
	y.cpu.Store(1)
	y.Bind(list[0], &SetWords{0b0110}, 0)
	enqueue(list[0], y)
	require.EqualValues(t, 1, where(t, list, y))
}

// If the CPUs of a thread all go offline, it may run on all. A CPU that comes back does not change that.
func TestBoundToNoneOnline(t *testing.T) {
	list := cpus(t, 5)
	warned := 0
	warnUnbound = func(*percpu.CPU, *Thread) { warned++ }
	t.Cleanup(func() { warnUnbound = logUnbound })
	for _, set := range []uint64{0b01100, 0b01000} {
		x := thread(1, ClassUser)
		x.cpu.Store(uint32(bits.Len64(set)) - 1)
		x.Bind(list[0], &SetWords{set}, 0)
		for id := uint32(2); id <= 3; id++ {
			list[id].State.Store(percpu.Leaving)
			local(list[id]).setClosed(list[id], true)
		}
		enqueue(list[0], x)
		require.NotContains(t, []uint32{2, 3}, where(t, list, x))
		require.False(t, x.IsBound())
		for id := uint32(2); id <= 3; id++ {
			list[id].State.Store(percpu.Online)
			local(list[id]).setClosed(list[id], false)
		}
		require.False(t, x.IsBound())
	}
	require.Equal(t, 2, warned)

	x := thread(1, ClassUser)
	x.Bind(list[0], &SetWords{0b11000}, 0)
	x.cpu.Store(3)
	list[3].State.Store(percpu.Leaving)
	local(list[3]).setClosed(list[3], true)
	enqueue(list[0], x)
	require.EqualValues(t, 4, where(t, list, x), "the other CPU of its set")
	require.True(t, x.IsBound())
}

// A new thread has the set of its maker, in memory of its own.
func TestBoundIsInherited(t *testing.T) {
	list := cpus(t, 130)
	x, y := thread(1, ClassUser), thread(2, ClassUser)
	blocks := new([2]SetWords)
	t.Cleanup(func() { runtime.KeepAlive(blocks) })
	set := SetWords{1, 0, 2}
	require.True(t, x.Bind(list[0], &set, uintptr(unsafe.Pointer(&blocks[0]))))
	require.True(t, y.BindNew(list[0], x, uintptr(unsafe.Pointer(&blocks[1]))))
	x.Bind(list[0], &SetWords{6}, 0)
	var got SetWords
	y.Set(list[0], &got)
	require.Equal(t, set, got)
	require.False(t, y.BindNew(list[0], y, 0), "it has a block")
	one := thread(3, ClassUser)
	require.False(t, one.Bind(list[0], &SetWords{0, 0, 1}, 0), "one CPU needs none")
	require.True(t, one.may(128) && !one.may(127) && !one.may(0))
}

// A set has room for CPUs that are registered later.
func TestBoundBeforeCPUsAreRegistered(t *testing.T) {
	for _, n := range []uint32{4, 64} {
		list := cpus(t, 130)
		percpu.Reset()
		table := make([]*percpu.CPU, 130)
		percpu.SetTable(uintptr(unsafe.Pointer(&table[0])), 130)
		t.Cleanup(func() { runtime.KeepAlive(table) })
		for _, c := range list[:n] {
			percpu.Register(c)
		}
		require.True(t, NeedsBlock())
		x, block := thread(1, ClassUser), new(SetWords)
		require.True(t, x.Bind(list[0], &SetWords{0b110}, uintptr(unsafe.Pointer(block))))
		for _, c := range list[n:] {
			percpu.Register(c)
		}
		set := SetWords{2, 1, 2}
		x.Bind(list[0], &set, 0)
		t.Cleanup(func() { runtime.KeepAlive(block) })
		require.True(t, x.may(1) && !x.may(2) && x.may(64) && x.may(129))
		require.Equal(t, &set, block)
		require.EqualValues(t, 0, x.binding.word)
	}
}

// An idle CPU is woken for a thread that it may run, even if others wait before it.
func TestOfferHonoursSets(t *testing.T) {
	list := cpus(t, 4)
	q := local(list[0])
	for i := range 3 {
		x := thread(uint32(i), ClassKernel)
		x.bindTo(list[0], boundTo)
		q.add(list[0], x)
	}
	idle.Set(1)
	idle.Set(3)
	offer(list[0], q)
	require.True(t, idle.Has(1) && idle.Has(3), "no thread may go there")
	x := thread(4, ClassUser)
	x.bindTo(list[0], boundTo+3)
	q.add(list[0], x)
	offer(list[0], q)
	require.True(t, idle.Has(1) && !idle.Has(3))
	require.NotZero(t, q.kicks.words[0]&(1<<3))
	require.Nil(t, steal(list[1]))
	require.Same(t, x, steal(list[3]))
}
