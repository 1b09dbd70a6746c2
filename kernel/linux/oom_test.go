package linux

import (
	"math"
	"math/rand/v2"
	"runtime"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"

	"muster/kernel/layout"
	"muster/kernel/list"
	"muster/kernel/lock"
	"muster/kernel/mem"
	"muster/kernel/percpu"
)

// The largest program is that with most memory of both kinds, and not the first, the
// last or the one with most threads; but a program that is ending is let end first.
func TestLargest(t *testing.T) {
	c := &percpu.CPU{}
	programs.mu = lock.Spin{Rank: lock.RankPrograms}
	t.Cleanup(func() { programs.list = list.List{} })
	program := func(threads int, held int64) *Process {
		p := &Process{Space: &mem.Space{}, count: threads}
		p.mu.Rank = lock.RankProcess
		p.held.Store(uint64(held))
		return p
	}
	find := func() *Process {
		programs.mu.Lock(c)
		p, _ := largest(c)
		programs.mu.Unlock(c)
		return p
	}
	require.Nil(t, find(), "there is none")
	small, large, threads := program(1, 3<<20), program(1, 9<<20), program(300, -4096)
	for _, p := range []*Process{small, large, threads} {
		p.enlist(c)
	}
	require.Same(t, large, find())
	threads.count = 600
	require.Same(t, threads, find(), "kernel stacks count")
	f := threads.footprint(c)
	require.Zero(t, f.own)
	require.Greater(t, f.kernel, uint64(600*4*layout.PageSize))
	require.Less(t, f.kernel, uint64(600*6*layout.PageSize), "what was freed for others is no debt")
	small.exiting.Store(1)
	require.Same(t, small, find(), "it is ending")
	small.delist(c)
	small.delist(c)
	require.Same(t, threads, find())
}

// What a process holds lacks only what its tasks keep back, each at most heldBatch, and nothing when they have ended.
func TestHeldInBatches(t *testing.T) {
	c, p := &percpu.CPU{}, &Process{}
	tasks := [2]Task{{proc: p}, {proc: p}}
	r := rand.New(rand.NewPCG(1, 2))
	sum, moves := 0, 0
	for range 10000 {
		x := &tasks[r.IntN(len(tasks))]
		c.Current = uintptr(unsafe.Pointer(x))
		bytes := r.IntN(1000) - 400
		sum += bytes
		before := p.held.Load()
		p.chargeFor(c, bytes)
		if p.held.Load() != before {
			moves++
		}
		require.LessOrEqual(t, max(x.held, -x.held), heldBatch)
		require.LessOrEqual(t, math.Abs(float64(sum-int(p.held.Load()))), float64(len(tasks)*heldBatch))
	}
	require.Less(t, moves, 1000, "most charges leave the sum of the process alone")
	for i := range tasks {
		tasks[i].settleHeld()
	}
	require.Equal(t, sum, int(p.held.Load()))
	other := &Process{}
	other.chargeFor(c, 7)
	require.EqualValues(t, 7, other.held.Load(), "of a process that is not the current one")
	runtime.KeepAlive(&tasks)
}
