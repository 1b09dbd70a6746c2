//go:build explore

package mem

import (
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"

	"muster/kernel/atom"
	"muster/kernel/explore"
	"muster/kernel/percpu"
)

// lazies is the code under test.
type lazies struct {
	flush func(c *percpu.CPU, set *percpu.Mask)
	enter func(s *Space, c *percpu.CPU)
}

var shippingLazies = lazies{func(c *percpu.CPU, set *percpu.Mask) { flushOthers(c, set, pageOf(c), lazyLate) }, (*Space).Enter}

// returns searches a CPU that goes between a thread of a space and a kernel thread, while
// CPU 0 unmaps a page of the space, which CPU 1 has in its TLB, and CPU 2, if there is one,
// another page. A lazy CPU's TLB keeps its entries, and hardware loads them again at any time.
func returns(cpus, preemptions int, under lazies) explore.Result {
	return explore.Run(explore.Model{Preemptions: preemptions, Setup: func() ([]func(), func() error) {
		p := newPage(cpus, code{under.flush, Answer})
		s := &Space{root: 0x1000, user: true}
		s.cpus = &p.reader
		p.cpus[1].Space = uintptr(unsafe.Pointer(s))
		loadRoot = func(*percpu.CPU, PhysAddr) { panic("an IPI made a lazy CPU leave") }
		programs := []func(){p.unmap, func() {
			c := p.cpus[1]
			for range 2 {
				p.access(c)
				c.BeLazy()
				p.walk(c)
				under.enter(s, c)
			}
			p.access(c)
			for p.done.Load() != uint32(cpus-1) {
				p.interrupt(c)
				p.access(c)
				atom.Pause()
			}
			p.access(c)
		}}
		if cpus > 2 {
			programs = append(programs, func() {
				p.flushOthers(p.cpus[2], &p.reader)
				p.done.Add(1)
			})
		}
		return programs, func() error { return nil }
	}})
}

// A CPU that returns to a space uses no translation that was taken away while it was lazy.
// It answers requests only with interrupts on, in threads of the space, so none of them makes
// it leave.
func TestLazyCPUCatchesUp(t *testing.T) {
	for _, m := range []struct{ cpus, preemptions int }{{2, explore.Unbounded}, {3, explore.Bound(1, 2)}} {
		r := returns(m.cpus, m.preemptions, shippingLazies)
		t.Log(r)
		require.NoError(t, r.Err)
		require.True(t, r.Complete)
	}
}

// Negative control: the CPU looks for what is late before it says that it is back.
func TestEarlyLookIsFound(t *testing.T) {
	under := shippingLazies
	under.enter = func(_ *Space, c *percpu.CPU) {
		if c.FlushLate.Load() != 0 {
			forget(c)
			reload(c)
		}
		c.Lazy.Store(0)
		Answer(c)
	}
	r := returns(2, explore.Unbounded, under)
	require.ErrorContains(t, r.Err, "stale translation")
	t.Log(r)
}

// Negative control: the CPU does not look on its way back.
func TestNoCatchUpIsFound(t *testing.T) {
	under := shippingLazies
	under.enter = func(_ *Space, c *percpu.CPU) { c.Lazy.Store(0) }
	r := returns(2, explore.Unbounded, under)
	require.ErrorContains(t, r.Err, "stale translation")
	t.Log(r)
}

// Negative control: the CPU that unmaps looks once whether the other one is lazy, and then
// leaves the flush to it.
func TestOneLookAtLazyIsFound(t *testing.T) {
	under := shippingLazies
	under.flush = func(c *percpu.CPU, set *percpu.Mask) {
		for id, ok := set.Next(0); ok; id, ok = set.Next(id + 1) {
			to := percpu.Get(id)
			if to == c {
				continue
			}
			if to.Lazy.Load() != 0 {
				raise(&to.FlushLate)
				continue
			}
			flushOthers(c, set, pageOf(c), lazyToo)
		}
	}
	r := returns(2, explore.Unbounded, under)
	require.ErrorContains(t, r.Err, "stale translation")
	t.Log(r)
}
