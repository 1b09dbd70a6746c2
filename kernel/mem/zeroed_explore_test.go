//go:build explore

package mem

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"muster/kernel/atom"
	"muster/kernel/explore"
	"muster/kernel/percpu"
)

// clearing is the code under test.
type clearing struct {
	clear func(c *percpu.CPU) bool
	give  func(c *percpu.CPU) // in the interrupt that Recall sends
	has   func(id uint32) bool
}

var clearingShipped = clearing{
	clear: ClearAhead,
	give:  func(c *percpu.CPU) { cacheOf(c).give(c) },
	has:   has,
}

// beginAhead is begin for CPUs that clear up to four pages. It returns two of the CPUs.
func (m *machine) beginAhead() (a, b *percpu.CPU) {
	m.begin(0)
	pool.enough, frames.ahead = 72, 4
	frames.caching.Store(1)
	return m.cpus[0], m.cpus[1]
}

// serve gives back what a CPU has, if another CPU has sent a request: sent is 1 then, and 2 when it is done.
func serve(sent *atom.Uint32, give func()) {
	if sent.Load() == 1 {
		give()
		sent.Store(2)
	}
}

// exhausts searches a CPU that takes all memory, recalls what the other CPU has, and takes that too, while the other CPU is idle and
// clears pages. In the end it has each frame.
func exhausts(t *testing.T, code clearing) explore.Result {
	const total = 80
	m := newMachine(t, total, 0)
	return explore.Run(explore.Model{Preemptions: 2, Setup: func() ([]func(), func() error) {
		a, b := m.beginAhead()
		var sent, done atom.Uint32
		interrupt := func() { serve(&sent, func() { code.give(b) }) }
		got := uint32(0)
		take := func() {
			for _, ok := AllocFrame(a); ok; _, ok = AllocFrame(a) {
				got++
			}
		}
		return []func(){
				func() {
					bootZone.mu.Lock(a)
					got += bootZone.takeFrames(a, 6).n
					bootZone.mu.Unlock(a)
					take()
					if code.has(b.ID) {
						sent.Store(1)
						for sent.Load() == 1 {
							atom.Pause()
						}
					}
					take()
					done.Store(1)
				},
				func() {
					for range 4 { // all frames of a magazine
						code.clear(b)
						interrupt()
					}
					for done.Load() == 0 {
						interrupt()
						atom.Pause()
					}
				},
			}, func() error {
				if got != total {
					return fmt.Errorf("%d frames are out of reach", total-got)
				}
				return nil
			}
	}})
}

// An idle CPU that clears pages keeps none from a CPU that needs all memory.
func TestClearingLeavesNothingOutOfReach(t *testing.T) {
	r := exhausts(t, clearingShipped)
	t.Log(r)
	require.NoError(t, r.Err)
	require.True(t, r.Complete)
}

// Negative controls: a CPU clears pages although memory is exhausted, gives back frames but those that are cleared, or gets no
// request for these.
func TestClearingThatKeepsPagesIsFound(t *testing.T) {
	greedy, mean, hidden := clearingShipped, clearingShipped, clearingShipped
	greedy.clear = func(c *percpu.CPU) bool {
		n := allocDirect(c)
		if n != frameNone {
			k := cacheOf(c)
			*frameWord(n) = k.zero.first
			k.zero = magazine{n, k.zero.n + 1}
		}
		return n != frameNone
	}
	mean.give = func(c *percpu.CPU) {
		k := cacheOf(c)
		z := k.zero
		k.zero = magazine{}
		k.give(c)
		k.zero = z
	}
	hidden.has = func(id uint32) bool {
		k := ptr[frameCache](frames.caches.On(id))
		return k.n+k.spared+k.away.n != 0
	}
	for _, code := range []clearing{greedy, mean, hidden} {
		r := exhausts(t, code)
		t.Log(r)
		require.ErrorContains(t, r.Err, "out of reach")
	}
}

// counted searches a CPU that counts free memory, while the other CPU is idle and clears pages. has is which CPUs the count interrupts, and
// clear what the idle CPU does. It clears one page, so that the plain numbers
// of its cache follow from where it is.
func counted(t *testing.T, has func(id uint32) bool, clear func(c *percpu.CPU) bool) explore.Result {
	const total = 200
	m := newMachine(t, total, 0)
	return explore.Run(explore.Model{Preemptions: 3, Setup: func() ([]func(), func() error) {
		a, b := m.beginAhead()
		var sent, done atom.Uint32
		interrupt := func() { serve(&sent, func() { cacheOf(b).give(b) }) }
		var free atom.Uint64
		return []func(){
				func() { // Count, with a machine's IPIs
					frames.counts.Add(1)
					if has(b.ID) {
						sent.Store(1)
						for sent.Load() == 1 {
							atom.Pause()
						}
					}
					unused := pool.unused.Load()
					free.Store(unused + cached(a.ID) + cached(b.ID))
					frames.counts.Add(^uint32(0))
					done.Store(1)
				},
				func() {
					clear(b)
					for done.Load() == 0 {
						interrupt()
						atom.Pause()
					}
				},
			}, func() error {
				if n := free.Load(); n != total {
					return fmt.Errorf("counted %d free frames of %d", n, total)
				}
				return nil
			}
	}})
}

// The count of free memory is right beside an idle CPU that clears pages.
func TestCountBesideClearing(t *testing.T) {
	r := counted(t, has, ClearAhead)
	t.Log(r)
	require.NoError(t, r.Err)
	require.True(t, r.Complete)
}

// Negative controls: the count interrupts only CPUs that have frames, or the idle CPU does not look whether there is a count.
func TestCountBesideClearingIsFound(t *testing.T) {
	r := counted(t, func(id uint32) bool { return cached(id) != 0 }, ClearAhead)
	t.Log(r)
	require.ErrorContains(t, r.Err, "counted")
	r = counted(t, has, func(c *percpu.CPU) bool {
		k := cacheOf(c)
		k.clears.Store(1)
		ok := k.clearOne(c)
		k.clears.Publish(0)
		return ok
	})
	t.Log(r)
	require.ErrorContains(t, r.Err, "counted")
}
