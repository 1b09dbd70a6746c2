//go:build explore

package mem

import (
	"testing"

	"github.com/stretchr/testify/require"

	"muster/kernel/apic"
	"muster/kernel/atom"
	"muster/kernel/explore"
	"muster/kernel/layout"
	"muster/kernel/lock"
	"muster/kernel/percpu"
)

// pooled is a stack of a Pool whose thread has ended. CPU 1 ran the thread last, and its
// TLB has the stack's translation. CPU 0 gives the stack back, while CPU 1 takes a frame
// or another stack.
type pooled struct {
	*page
	pt    *tables
	pool  Pool
	low   uintptr
	frame PhysAddr // of the stack
}

func newPooled(t *testing.T) *pooled {
	m := &pooled{page: newPage(2, shipping)}
	m.pt, _ = hostTables(t, &Space{}, 12)
	kernelRoot, Kernel.cpus = m.pt.root, &m.set
	mapped.mu = lock.Spin{Rank: lock.RankMap}
	mapped.next = layout.MapBase
	m.pool.Init(pg)
	m.low = m.pool.reserve(m.cpus[0])
	m.frame = m.pt.page()
	*m.pt.entry(m.low) = uint64(m.frame) | pteStack
	m.cached[1] = true
	reload = func(c *percpu.CPU) { m.cached[c.ID] = false }
	apic.Sent = func(dest, _ uint32) { m.ipi[dest].Store(1) }
	return m
}

// use is CPU 1: it takes a frame and a range of addresses, as Alloc does for a new stack,
// and answers interrupts only after that.
func (m *pooled) use(c *percpu.CPU) {
	const number = 1<<32*pg - 1 // what the frame table keeps of an address of the test's memory
	if p, ok := AllocFrame(c); ok && p == m.frame&number && m.cached[1] {
		panic("a frame is used again, and a TLB has it as the stack's")
	}
	if low := m.pool.reserve(c); low == m.low && m.cached[1] {
		panic("a stack's addresses are used again, and a TLB has the old frame")
	}
	for m.done.Load() == 0 {
		m.interrupt(c)
		atom.Pause()
	}
}

// pools searches a stack that is given back.
func pools(t *testing.T, free func(p *Pool, c *percpu.CPU, low uintptr)) explore.Result {
	t.Cleanup(func() { kernelRoot, Kernel.cpus, mapped.next = 0, nil, 0 })
	return explore.Run(explore.Model{Preemptions: explore.Unbounded, Setup: func() ([]func(), func() error) {
		m := newPooled(t)
		return []func(){
			func() {
				free(&m.pool, m.cpus[0], m.low)
				m.done.Store(1)
			},
			func() { m.use(m.cpus[1]) },
		}, func() error { return nil }
	}})
}

// A stack's frames and addresses are used again when every CPU has flushed.
func TestPoolWaitsForTLBs(t *testing.T) {
	r := pools(t, func(p *Pool, c *percpu.CPU, low uintptr) { p.Free(c, []uintptr{low}) })
	t.Log(r)
	require.NoError(t, r.Err)
	require.True(t, r.Complete)
}

// freeBy is Pool.Free of one range, with its steps in another order.
func freeBy(order string) func(p *Pool, c *percpu.CPU, low uintptr) {
	return func(p *Pool, c *percpu.CPU, low uintptr) {
		var gone chain
		mapped.mu.Lock(c)
		e := entryOf(kernelRoot, low)
		gone.add(c, tableOf(*e))
		*e = 0
		mapped.mu.Unlock(c)
		for _, step := range order {
			switch step {
			case 'f':
				Kernel.flush(c)
			case 'r':
				gone.release(c)
			case 'b':
				mapped.mu.Lock(c)
				*e = bareEntry(p.bare)
				p.bare = low
				mapped.mu.Unlock(c)
			}
		}
	}
}

// Negative controls: the frames are free before the flush, or the addresses are. The right
// order passes, so it is the order that is found.
func TestPoolFreedTooEarlyIsFound(t *testing.T) {
	require.NoError(t, pools(t, freeBy("frb")).Err)
	r := pools(t, freeBy("rfb"))
	require.ErrorContains(t, r.Err, "a frame is used again")
	t.Log(r)
	r = pools(t, freeBy("bfr"))
	require.ErrorContains(t, r.Err, "addresses are used again")
	t.Log(r)
}
