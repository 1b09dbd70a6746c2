//go:build explore

package sched

import (
	"math/rand/v2"
	"runtime"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"

	"muster/kernel/clock"
	"muster/kernel/percpu"
)

// nearCPUs makes a machine with n CPUs, each of which runs its idle thread. record gives a CPU its place.
func nearCPUs(t *testing.T, n uint32, record func(c *percpu.CPU)) []*percpu.CPU {
	percpu.Reset()
	clock.SetHz(1e9)
	setRequests(10 * clock.Millisecond)
	table := make([]*percpu.CPU, n)
	percpu.SetTable(uintptr(unsafe.Pointer(&table[0])), n)
	list, queues, threads := make([]*percpu.CPU, n), make([]runQueue, n), make([]*Thread, n)
	var memory [][]uint64
	mask := func() uintptr {
		memory = append(memory, make([]uint64, (n+63)/64))
		return uintptr(unsafe.Pointer(&memory[len(memory)-1][0]))
	}
	idle.Init(mask(), n)
	loaded.Init(mask(), n)
	for i := range list {
		c := &percpu.CPU{}
		c.Init(uint32(i))
		record(c)
		x := thread(0, ClassKernel)
		x.cpu.Store(c.ID)
		queues[i].init(x)
		queues[i].ticking.Store(1)
		queues[i].looks.Store(1)
		c.Sched = uintptr(unsafe.Pointer(&queues[i]))
		c.Current = uintptr(unsafe.Pointer(x))
		list[i], threads[i] = c, x
		if i == 0 {
			percpu.Register(c)
			Join(c, c, func(*percpu.CPU) uintptr { return mask() })
			continue
		}
		Join(list[0], c, func(*percpu.CPU) uintptr { return mask() })
		percpu.Register(c)
	}
	t.Cleanup(func() {
		for _, x := range []any{table, list, queues, threads, memory} { // the code under test knows them by address
			runtime.KeepAlive(x)
		}
		percpu.Reset()
		idle.Init(0, 0)
		loaded.Init(0, 0)
	})
	return list
}

// distance is how far two CPUs are apart, by a plain rule: the first nearness that they share.
func distance(a, b *percpu.CPU) int {
	for by, shift := range a.Shifts {
		if a.APICID>>shift == b.APICID>>shift {
			return by
		}
	}
	if a.Home != 0 && a.Home == b.Home {
		return int(sameNode)
	}
	return int(nearnesses)
}

// A waker takes the CPU that ran the thread last if that is idle, else one of those nearest to it, and takes none twice.
func TestClaimIsTheNearest(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for _, n := range []uint32{1, 2, 7, 64, 65, 200} {
		for range 20 {
			core := uint8(r.IntN(3))
			die := core + uint8(r.IntN(4))
			pack := die + uint8(r.IntN(3))
			ids := r.Perm(int(2 * n))
			list := nearCPUs(t, n, func(c *percpu.CPU) {
				c.APICID = uint32(ids[c.ID])
				c.Shifts = [3]uint8{core, die, pack}
				c.Home = uint8(ids[c.ID]>>(pack+1)) % 4
			})
			for range 20 {
				free := 0
				for _, c := range list {
					idle.Clear(c.ID)
					if r.IntN(4) == 0 {
						idle.Set(c.ID)
						free++
					}
				}
				last := list[r.IntN(int(n))]
				for ; free > 0; free-- {
					best := int(nearnesses) + 1
					for _, c := range list {
						if idle.Has(c.ID) {
							best = min(best, distance(last, c))
						}
					}
					own := idle.Has(last.ID)
					id, ok := claim(last.ID)
					require.True(t, ok)
					require.False(t, idle.Has(id))
					require.Equal(t, best, distance(last, list[id]), "%d CPUs, shifts %d", n, last.Shifts)
					require.True(t, !own || id == last.ID)
				}
				_, ok := claim(last.ID)
				require.False(t, ok)
			}
		}
	}
}

func byNumber(c *percpu.CPU) { c.APICID = c.ID }

// A CPU without a thread finds each that waits in a small machine; in a large one those of its neighbours, those that
// are not alone in their queue, and those that waited at a tick.
func TestStealLooksAtLoadedQueues(t *testing.T) {
	list := busyCPUs(t, 1+neighbours)
	local(list[neighbours]).put(list[neighbours], thread(1, ClassUser))
	require.NotNil(t, steal(list[0]))
	require.False(t, loaded.Has(neighbours))

	list = busyCPUs(t, 64)
	at := func(id uint32) *runQueue { return local(list[id]) }
	at(neighbours).put(list[0], thread(1, ClassUser))
	require.NotNil(t, steal(list[0]), "a neighbour")
	at(40).put(list[0], thread(2, ClassUser))
	require.Nil(t, steal(list[0]), "far away, and alone")
	at(40).say(list[40])
	require.True(t, loaded.Has(40))
	require.NotNil(t, steal(list[0]), "at the tick")
	at(40).say(list[40])
	require.False(t, loaded.Has(40))
	at(50).put(list[0], thread(3, ClassUser))
	at(50).put(list[0], thread(4, ClassUser))
	require.NotNil(t, steal(list[0]), "two wait")
	require.NotNil(t, steal(list[0]), "the other one")
	require.Nil(t, steal(list[0]))
}

// busyCPUs is nearCPUs with CPUs that run threads, all but the first.
func busyCPUs(t *testing.T, n uint32) []*percpu.CPU {
	list := nearCPUs(t, n, byNumber)
	for _, c := range list[1:] {
		local(c).running.Store(levelKernel)
	}
	return list
}

// The thread that an idle CPU is about to run is not taken away from it. Two are shared, and one that waits because its CPU has stolen another.
func TestStealLeavesTheOnlyThread(t *testing.T) {
	list := nearCPUs(t, 3, byNumber)
	q := local(list[1])
	q.put(list[0], thread(1, ClassUser))
	require.Nil(t, steal(list[0]))
	q.put(list[0], thread(2, ClassUser))
	require.NotNil(t, steal(list[0]))
	require.NotNil(t, q.next(list[1], q.idle, leaveIdle, counter()))
	require.NotZero(t, q.spare.Load())
	require.Nil(t, steal(list[0]))
	require.Zero(t, q.spare.Load(), "the first CPU that looks in vain says so")

	list = nearCPUs(t, 3, byNumber)
	q = local(list[1])
	local(list[2]).running.Store(levelKernel)
	local(list[2]).put(list[2], thread(1, ClassUser))
	q.put(list[0], thread(2, ClassUser))
	idle.Set(0)
	idle.Set(1)
	require.EqualValues(t, 1, steal(list[1]).ID)
	require.False(t, idle.Has(0), "it is woken up")
	require.EqualValues(t, 2, steal(list[0]).ID)
}
