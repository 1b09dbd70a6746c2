package linux

import (
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"

	"muster/kernel/clock"
	"muster/kernel/lock"
	"muster/kernel/percpu"
)

// Of two signals with one number the first one counts, with its sender.
func TestFirstSenderCounts(t *testing.T) {
	c := &percpu.CPU{}
	p, _ := newTestProcess(c, 1)
	for _, senders := range [][]sender{{fromKill, fromTkill, fromKernel}, {fromTkill, fromKernel}, {fromKernel, fromTkill}} {
		for _, from := range senders {
			p.pending.add(SIGURG, from)
		}
		p.pending.mu.Lock(c)
		in, _, _ := p.pending.take(c, p, SIGURG)
		p.pending.mu.Unlock(c)
		require.Equal(t, map[sender]int32{fromKill: codeUser, fromTkill: codeTkill, fromKernel: codeKernel}[senders[0]], in.code)
		require.Equal(t, pendingSet{mu: p.pending.mu}, p.pending)
	}
}

// expiring keeps a timer on the heap: TimerExpired gets its address as a number, and a stack
// moves.
var expiring *timer

// A timer's signal stays when another one with its number is taken or dropped, and goes
// with its own.
func TestTimerKeepsItsPlace(t *testing.T) {
	c := &percpu.CPU{}
	p, list := newTestProcess(c, 1)
	list[0].setMask(c, ^uint64(0))                                                                          // it waits
	tm := &timer{mu: lock.Spin{Rank: lock.RankTimer}, proc: p, sig: SIGALRM, refs: 2, armings: 1, value: 9} // at 0 has passed
	expiring = tm
	TimerExpired(c, uintptr(unsafe.Pointer(tm)))
	p.pending.add(SIGALRM, fromKill)
	take := func() (info, uint64) {
		p.mu.Lock(c)
		in, ok := list[0].takeLocked(c, &p.pending, bit(SIGALRM))
		p.mu.Unlock(c)
		require.True(t, ok)
		return in, list[0].takeValue()
	}
	in, _ := take()
	require.EqualValues(t, codeUser, in.code)
	require.Equal(t, bit(SIGALRM), p.pending.bits.Load())
	p.pending.forget(c, SIGALRM)
	require.Equal(t, bit(SIGALRM), p.pending.bits.Load())
	in, value := take()
	require.EqualValues(t, codeTimer, in.code)
	require.EqualValues(t, 9, value)
	require.Zero(t, p.pending.bits.Load())
	require.Equal(t, clock.Never, tm.at, "no interval")
}
