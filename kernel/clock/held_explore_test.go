//go:build explore

package clock

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"muster/kernel/atom"
	"muster/kernel/explore"
	"muster/kernel/percpu"
)

// holding runs CPUs that read a clock made of their own counters, which differ, and time, which passes at any moment.
// Each CPU notes the highest time that a CPU has got, and may not get less than what was noted before, nor more
// than the counter that is furthest ahead says.
func holding(skews []uint64, read func(*heldClock, *percpu.CPU) Time) explore.Result {
	defer func(f func() uint64, p *Page) { readTSC, page = f, p }(readTSC, page)
	return explore.Run(explore.Model{Preemptions: explore.Bound(2, 3), Setup: func() ([]func(), func() error) {
		var ticks, seen atom.Uint64
		readTSC = ticks.Load
		page = &Page{}
		page.start(1<<60, 0) // 16 ticks of it are a second
		h := &heldClock{}
		h.last.Store(uint64(slack))
		programs := []func(){func() {
			for i := range uint64(2) {
				ticks.Store(i + 1)
			}
		}}
		furthest := uint64(0)
		for _, skew := range skews {
			furthest = max(furthest, skew)
			c := &percpu.CPU{}
			c.ClockSkew.Store(skew)
			programs = append(programs, func() {
				for range 2 {
					before := seen.Load()
					now := uint64(read(h, c))
					most := uint64(page.clock(monotonic, ticks.Load()).time()) + furthest
					if now < before || now > most {
						panic(fmt.Sprintf("%d after %d, limit %d", now, before, most))
					}
					if now > seen.Load() {
						seen.Store(now)
					}
				}
			})
		}
		return programs, func() error { return nil }
	}})
}

// No CPU gets a time before one that another CPU got before, nor one that no counter has reached.
func TestHeldNeverGoesBack(t *testing.T) {
	for _, skews := range [][]uint64{{0, 0}, {0, 5e6}, {100e6, 0}, {0, 30e6, 80e6}} {
		r := holding(skews, (*heldClock).read)
		t.Log(r)
		require.NoError(t, r.Err)
		require.True(t, r.Complete)
	}
}

// The same CPUs notice a latest time that is stored although another CPU has noted a later one meanwhile.
func TestHeldStoreIsFound(t *testing.T) {
	stores := func(h *heldClock, c *percpu.CPU) Time {
		last, add := h.last.Load(), c.ClockAdd.Load()
		mine := uint64(page.clock(monotonic, readTSC()).time()) + c.ClockSkew.Load() + add
		if int64(mine-last) < 0 {
			c.ClockAdd.CompareAndSwap(add, add+last-mine)
			return Time(last)
		}
		h.last.Store(mine)
		return Time(mine)
	}
	require.ErrorContains(t, holding([]uint64{0, 5e6}, stores).Err, "after")
}

// They notice one that adds what it is late by when it has read its counter before the latest time: it adds too much.
func TestHeldCounterFirstIsFound(t *testing.T) {
	early := func(h *heldClock, c *percpu.CPU) Time {
		own := uint64(page.clock(monotonic, readTSC()).time()) + c.ClockSkew.Load()
		last, add := h.last.Load(), c.ClockAdd.Load()
		if int64(own+add-last) < 0 {
			c.ClockAdd.CompareAndSwap(add, last-own)
			return Time(last)
		}
		if h.last.CompareAndSwap(last, own+add) {
			return Time(own + add)
		}
		return Time(h.last.Load())
	}
	require.ErrorContains(t, holding([]uint64{0, 0}, early).Err, "limit")
}
