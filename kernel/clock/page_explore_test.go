//go:build explore

package clock

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"muster/kernel/atom"
	"muster/kernel/explore"
)

// beginning is Page.begin, or a faulty one.
type beginning func(*Page) (tsc uint64, now moment)

// changes runs a writer, which slows the clock down, a counter that three ticks of time advance
// at any moment, and readers on other CPUs. Each reader notes the highest time that a reader has
// got, and may not get less than what was noted before.
func changes(readers int, begin beginning) explore.Result {
	defer func(f func() uint64) { readTSC = f }(readTSC)
	return explore.Run(explore.Model{Preemptions: explore.Bound(2, 3), Setup: func() ([]func(), func() error) {
		var ticks, seen atom.Uint64
		readTSC = ticks.Load
		p := &Page{}
		const tick = 1 << 60 // of them 16 are a second
		p.start(tick, 0)
		programs := []func(){
			func() {
				tsc, now := begin(p)
				p.turn(tsc, now, tick/16)
				p.end()
			},
			func() {
				for i := range uint64(3) {
					ticks.Store(i + 1)
				}
			},
		}
		for range readers {
			programs = append(programs, func() {
				before := seen.Load()
				now := uint64(p.read(monotonic))
				if now < before {
					panic(fmt.Sprintf("%d after %d", now, before))
				}
				if now > seen.Load() {
					seen.Store(now)
				}
			})
		}
		return programs, func() error { return nil }
	}})
}

// No reader gets a time before one that another reader got before, whatever the writer does.
func TestReadersNeverGoBack(t *testing.T) {
	for _, readers := range []int{1, 2} {
		r := changes(readers, (*Page).begin)
		t.Log(r)
		require.NoError(t, r.Err)
		require.True(t, r.Complete)
	}
}

// The same readers notice a writer that reads the counter before it begins the change.
func TestCounterBeforeChangeIsFound(t *testing.T) {
	late := func(p *Page) (tsc uint64, now moment) {
		tsc = readTSC()
		p.begun.Add(1)
		return tsc, p.clock(monotonic, tsc)
	}
	require.ErrorContains(t, changes(2, late).Err, "after")
}

// And one that ends the change before the parameters are complete.
func TestChangeThatEndsEarlyIsFound(t *testing.T) {
	early := func(p *Page) (tsc uint64, now moment) {
		tsc, now = p.begin()
		p.end()
		return tsc, now
	}
	require.ErrorContains(t, changes(2, early).Err, "after")
}
