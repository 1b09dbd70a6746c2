//go:build !explore

package mem

import (
	"math/rand/v2"
	"runtime"
	"slices"
	"strconv"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"muster/kernel/percpu"
	"muster/kernel/upcall"
)

// Four CPUs at once: programs take all that they can get, the kernel takes the reserve, and
// all comes back. Each is idle now and then, and clears pages. So it is with one
// node and with more than one.
func TestFramesExhausted(t *testing.T) {
	for _, nodes := range []int{1, 2, 3, 5} {
		t.Run(strconv.Itoa(nodes), func(t *testing.T) { exhaust(t, nodes) })
	}
}

func exhaust(t *testing.T, nodes int) {
	upcall.To.SpinPoll = func(*percpu.CPU) { runtime.Gosched() } // the CPU with the lock may be a goroutine that waits
	t.Cleanup(func() { upcall.To.SpinPoll = nil })
	const total, reserve = 20000, 4000
	m := newMachine(t, total, reserve)
	sizeAhead(uint32(len(m.cpus)))
	if nodes > 1 {
		m.divide(t, randomPlan(rand.New(rand.NewPCG(4, uint64(nodes))), m, nodes))
	}
	taken := make([][]PhysAddr, len(m.cpus))
	all := func(f func(i int, c *percpu.CPU)) {
		var wg sync.WaitGroup
		for i, c := range m.cpus {
			wg.Go(func() { f(i, c) })
		}
		wg.Wait()
	}
	for range 5 {
		all(func(i int, c *percpu.CPU) {
			for n := 0; ; n++ {
				p, ok := user(c)
				if !ok {
					return
				}
				taken[i] = append(taken[i], p)
				if n%7 == 6 {
					FreeFrame(c, taken[i][0])
					taken[i] = taken[i][1:]
				}
				for idle := n%50 == 49; idle; idle = ClearAhead(c) {
				}
			}
		})
		all(func(_ int, c *percpu.CPU) { GiveBack(c) })
		for {
			p, ok := user(m.cpus[0])
			if !ok {
				break
			}
			taken[0] = append(taken[0], p)
		}
		// CPUs that check at the same time may each take a page more.
		require.LessOrEqual(t, m.free(), uint64(reserve))
		require.GreaterOrEqual(t, m.free(), uint64(reserve-len(m.cpus)))
		require.Equal(t, m.free(), m.walk(t))
		all(func(i int, c *percpu.CPU) {
			for p, ok := AllocFrame(c); ok; p, ok = AllocFrame(c) {
				taken[i] = append(taken[i], p)
			}
		})
		require.Zero(t, m.free())
		every := slices.Sorted(slices.Values(slices.Concat(taken...)))
		require.Len(t, slices.Compact(every), total)
		all(func(i int, c *percpu.CPU) {
			var gone chain
			for j, p := range taken[len(m.cpus)-1-i] { // another CPU than the one that took it
				if j%3 == 0 {
					gone.add(c, p)
				} else {
					FreeFrame(c, p)
				}
				if gone.n == 200 {
					gone.release(c)
				}
			}
			gone.release(c)
		})
		for i := range taken {
			taken[i] = nil
		}
		require.EqualValues(t, total, m.walk(t))
		require.NotZero(t, frames.caching.Load(), "the caching begins again")
	}
}
