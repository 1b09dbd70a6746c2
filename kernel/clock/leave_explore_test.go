//go:build explore

package clock

import (
	"fmt"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"

	"muster/kernel/atom"
	"muster/kernel/explore"
)

// leaving runs a CPU that makes an HPET the clock, a TSC and that HPET, which three ticks of time advance at
// any moment, and readers on other CPUs. Each reader notes the highest time that a reader has got, and may not get
// less than what was noted before.
func leaving(readers int, leave func() bool) explore.Result {
	defer func(f func() uint64, p *Page, c [Kinds]Counter) {
		readTSC, page, counters, second = f, p, c, secondClock{}
	}(readTSC, page, counters)
	return explore.Run(explore.Model{Preemptions: explore.Bound(2, 3), Setup: func() ([]func(), func() error) {
		var ticks, seen atom.Uint64
		var registers [HPETBytes / 4]uint32
		keeper.busy.Store(0)
		readTSC = ticks.Load
		page, second, counters = &Page{}, secondClock{}, [Kinds]Counter{}
		page.start(1<<60, 0) // 16 ticks of it are a second
		counters[HPET] = Counter{Kind: HPET, found: true, Mask: 1<<32 - 1, Num: 16, Den: 1, at: uintptr(unsafe.Pointer(&registers))}
		programs := []func(){
			func() { leave() },
			func() {
				for i := range uint32(3) {
					ticks.Store(uint64(i + 1))
					registers[hpetMain/4] = i + 1 // with the step of the store
				}
			},
		}
		for range readers {
			programs = append(programs, func() {
				before := seen.Load()
				now := uint64(page.read(monotonic))
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

// No reader gets a time before one that another reader got before, while the clock leaves the TSC.
func TestLeaveNeverGoesBack(t *testing.T) {
	for _, readers := range []int{1, 2} {
		r := leaving(readers, func() bool { return LeaveTSC() })
		t.Log(r)
		require.NoError(t, r.Err)
		require.True(t, r.Complete)
	}
}

// The same readers notice a clock that continues from a time that was read before the change began.
func TestLeaveFromEarlierTimeIsFound(t *testing.T) {
	early := func() bool {
		now := page.clock(monotonic, readTSC())
		page.begun.Add(1)
		second.use(&counters[HPET], now.plus(momentOf(slack)))
		page.source.Store(sourceCall)
		return true
	}
	require.ErrorContains(t, leaving(2, early).Err, "after")
}

// And one that leads readers to the second clock before that has its time.
func TestLeaveTooEarlyIsFound(t *testing.T) {
	early := func() bool {
		second.ref, second.read = &counters[HPET], (*Counter).Read
		_, now := page.begin()
		page.source.Store(sourceCall)
		second.use(&counters[HPET], now.plus(momentOf(slack)))
		return true
	}
	require.ErrorContains(t, leaving(2, early).Err, "after")
}
