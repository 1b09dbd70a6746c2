//go:build !explore

package lock

import (
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"

	"muster/kernel/percpu"
	"muster/kernel/upcall"
)

// counters is not on a stack, because the fields that point there hold numbers.
var counters [2]Stats

// A CPU that waits for a lock counts it, for the class of that lock. One that gets a lock at once
// counts nothing.
func TestWaitIsCounted(t *testing.T) {
	counters = [2]Stats{}
	c := &percpu.CPU{ID: 1, Locks: uintptr(unsafe.Pointer(&counters[0]))}
	holder := &percpu.CPU{ID: 2, Locks: uintptr(unsafe.Pointer(&counters[1]))}
	s := &Spin{Rank: RankTimers}
	for range 3 {
		s.Lock(c)
		s.Unlock(c)
	}
	require.Zero(t, Read(c, RankTimers, Contended))
	require.Zero(t, Read(c, RankTimers, Waited))

	for range 2 {
		s.Lock(holder)
		upcall.To.SpinPoll = func(*percpu.CPU) { // c polls: it has begun to wait
			upcall.To.SpinPoll = nil
			s.Unlock(holder)
		}
		s.Lock(c)
		s.Unlock(c)
	}
	require.EqualValues(t, 2, Read(c, RankTimers, Contended))
	most, all := Read(c, RankTimers, LongestWait), Read(c, RankTimers, Waited)
	require.Positive(t, most)
	require.Greater(t, all, most)
	require.Zero(t, Read(holder, RankTimers, Contended), "it has not waited")
	require.Zero(t, Read(c, RankFrames, Contended), "another class")
	require.Equal(t, Checked, Read(holder, RankTimers, LongestHold) > 0, "debug builds alone measure that")
}

func TestRanksHaveNames(t *testing.T) {
	seen := map[string]bool{}
	for r := Rank(1); r < Ranks; r++ {
		require.NotEmpty(t, Class(r), "rank %d", r)
		require.False(t, seen[Class(r)], Class(r))
		seen[Class(r)] = true
	}
	require.Equal(t, "unknown", Class(Ranks))
}
