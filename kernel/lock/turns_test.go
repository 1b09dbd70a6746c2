//go:build !explore

package lock

import (
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"

	"muster/kernel/clock"
	"muster/kernel/cpu"
	"muster/kernel/percpu"
	"muster/kernel/upcall"
)

// For how long a CPU with turn 100 leaves a free lock to other CPUs.
func TestGrace(t *testing.T) {
	for _, x := range []struct {
		name    string
		turn    uint32
		claimed uint32
		want    uint32
	}{
		{"my turn", 100, 0, 0},
		{"one before me", 99, 0, patience},
		{"three before me", 97, 0, 3 * patience},
		{"very many", 0, 0, mostBefore * patience},
		{"passed", 103, 0, 0},
		{"my turn, another one claims the lock", 100, claimed, patience},
		{"passed, another one claims the lock", 103, claimed, patience},
		{"passed often", 100 + mostPassed, claimed, 0},
	} {
		require.Equal(t, x.want, grace(int32(x.turn-100), held|x.claimed), x.name)
	}
	near := uint32(2)
	require.Equal(t, 4*patience, grace(int32(^uint32(1)-near), 0), "turns wrap")
}

// A turn that comes in order brings the next one, one out of turn all up to it, and one that was passed none.
func TestTurnsThatHaveCome(t *testing.T) {
	counters = [2]Stats{}
	c := &percpu.CPU{Locks: uintptr(unsafe.Pointer(&counters[0]))}
	s := &Spin{Rank: RankTimers}
	for _, x := range []struct{ mine, turn, outOfTurn uint32 }{
		{0, 1, 0}, // A
		{4, 5, 1}, // E passes B, C and D
		{2, 5, 1}, // C
		{5, 6, 1}, // F
		{1, 6, 1}, // B
		{3, 6, 1}, // D
		{6, 7, 1}, // G
	} {
		s.took(c, x.mine, 1)
		require.Equal(t, x.turn, s.turn.Load(), "after turn %d", x.mine)
		require.EqualValues(t, x.outOfTurn, Read(c, RankTimers, OutOfTurn))
	}
	require.EqualValues(t, 7, Read(c, RankTimers, Contended))
}

// A CPU whose turn it is may not run: another one that waits takes the lock after its patience, not before, and the
// next ones need none.
func TestPatience(t *testing.T) {
	c := &percpu.CPU{ID: 1}
	s := &Spin{Rank: RankTimers}
	s.word.Add(waiter) // a CPU takes turn 0, and runs no more
	s.next.Add(1)
	polls := uint32(0)
	upcall.To.SpinPoll = func(*percpu.CPU) { polls++ }
	t.Cleanup(func() { upcall.To.SpinPoll = nil })
	s.Lock(c)
	require.EqualValues(t, patience+1, polls)
	s.Unlock(c)
	for range 20 {
		polls = 0
		s.Lock(c)
		require.Zero(t, polls)
		s.Unlock(c)
	}
	require.EqualValues(t, waiter, s.word.Load(), "the first CPU waits still")
}

// A CPU that was passed often claims the lock, and the one whose turn it is leaves it the lock for some time.
func TestClaim(t *testing.T) {
	holder, passed, c := &percpu.CPU{ID: 1}, &percpu.CPU{ID: 2}, &percpu.CPU{ID: 3}
	s := &Spin{Rank: RankTimers}
	s.Lock(holder)
	s.turn.Store(mostPassed)
	s.next.Store(mostPassed) // the next CPU to come has this turn
	polls := uint32(0)
	upcall.To.SpinPoll = func(*percpu.CPU) {
		if polls++; polls == 1 {
			s.word.Or(claimed) // as a CPU with turn 0 does that runs again
			s.Unlock(holder)
		}
	}
	t.Cleanup(func() { upcall.To.SpinPoll = nil })
	s.Lock(c)
	require.EqualValues(t, patience+2, polls, "it has waited for the CPU that claims the lock")
	require.EqualValues(t, held, s.word.Load(), "the claim ends, as that CPU does not run")

	s.next.Store(0)
	upcall.To.SpinPoll = func(*percpu.CPU) {
		upcall.To.SpinPoll = nil
		require.EqualValues(t, held|claimed|waiter, s.word.Load(), "a CPU that was passed often claims the lock")
		s.Unlock(c)
	}
	s.Lock(passed)
	require.EqualValues(t, held, s.word.Load())
}

// Other CPUs had the lock while a CPU that waits looked whether one stands still: the lock is in use, and no panic
// comes. Negative control: if it is the same CPU's all the time, one does.
func TestLateIsNoDeadlock(t *testing.T) {
	holder, other, c := &percpu.CPU{ID: 1}, &percpu.CPU{ID: 2}, &percpu.CPU{ID: 3}
	clock.SetScale(0) // each limit is over at once
	t.Cleanup(func() {
		clock.SetScale(1)
		upcall.To.SpinPoll, upcall.To.Stalled, upcall.To.Panic = nil, nil, nil
	})
	looks := 0
	waits := func(s *Spin, meanwhile func()) {
		s.Lock(holder)
		looks = 0
		upcall.To.Stalled = func(*percpu.CPU) bool {
			if looks++; looks == 1 {
				meanwhile()
			}
			return false
		}
		s.Lock(c)
	}
	upcall.To.Panic = func(_ *percpu.CPU, _ *cpu.Frame, msg string, _, _ uint64) { panic(msg) }

	s := &Spin{Rank: RankTimers}
	waits(s, func() {
		s.Unlock(holder)
		s.Lock(other) // out of turn
		upcall.To.SpinPoll = func(*percpu.CPU) {
			upcall.To.SpinPoll = nil
			s.Unlock(other)
		}
	})
	require.Equal(t, 1, looks)
	s.Unlock(c)

	require.PanicsWithValue(t, "lock: not free for 5 s; rank, holder+1", func() { waits(&Spin{Rank: RankTimers}, func() {}) })
	require.Equal(t, 1, looks)
}
