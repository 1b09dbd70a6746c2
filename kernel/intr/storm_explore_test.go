//go:build explore

package intr

import (
	"testing"

	"github.com/stretchr/testify/require"

	"muster/kernel/abi"
	"muster/kernel/clock"
	"muster/kernel/linux"
	"muster/kernel/percpu"
)

// storm lets a level line that no device releases interrupt until it is masked, or limit
// times.
func (b *board) storm(n, limit int) {
	clock.SetHz(1e7) // 100 ms are a million cycles
	defer clock.SetHz(1e9)
	b.pin = true
	b.look()
	for b.entries[input][0]&bitMasked == 0 && limit > 0 {
		for v := range b.local[0].pending {
			if b.local[0].pending[v] {
				b.take(0, uint8(v))
			}
		}
		limit--
	}
}

// A line that storms is masked, whatever moves it or unmasks it, until it is resumed.
func TestStormIsMasked(t *testing.T) {
	b := newBoard(t, 0x20)
	n := b.claim(abi.IRQLevel)
	lines[n].action = abi.ActionNothing
	c := &memory.cpus[0]
	_, r := Resume(c, nil, n)
	require.Equal(t, linux.Fail(linux.EINVAL), r, "it is not stuck")
	_, r = Poll(c, nil, n)
	require.Equal(t, linux.Fail(linux.EINVAL), r)
	b.storm(n, stormMost+1)
	require.EqualValues(t, 1, lines[n].stuck.Load())
	require.NotZero(t, b.entries[input][0]&bitMasked)
	require.GreaterOrEqual(t, lines[n].all, uint64(stormLeast))
	Unmask(c, nil, n, true)
	moveAsIs(b, n)
	require.NotZero(t, b.entries[input][0]&bitMasked)
	require.Zero(t, b.run())
	_, r = Poll(c, nil, n)
	require.Zero(t, r)
	b.pin = false
	_, r = Resume(c, nil, n)
	require.Zero(t, r)
	b.raise()
	b.storm(n, 1)
	b.pin = false
	b.run()
	require.NotZero(t, memory.tables[1].counts[n], "it works again, on the other CPU")
}

// Negative control: a line whose interrupts are claimed interrupts on.
func TestClaimedStormGoesOn(t *testing.T) {
	b := newBoard(t, 0x20)
	n := b.claim(abi.IRQLevel)
	lines[n].action = abi.ActionNothing
	b.at = func(int) { lines[n].run = 0 } // as a claim does
	b.storm(n, 200_000)
	require.Zero(t, lines[n].stuck.Load())
	require.EqualValues(t, 200_000, counts(n))
}

// The goroutine of an event says whether the interrupt was its device's.
func TestEventThatNobodyClaims(t *testing.T) {
	for _, claimed := range []bool{false, true} {
		b := newBoard(t, 0x20)
		n := b.claim(abi.IRQLevel)
		for i := 0; i < 200_000 && lines[n].stuck.Load() == 0; i++ {
			b.storm(n, 1)
			Unmask(&memory.cpus[0], nil, n, claimed)
		}
		require.Equal(t, !claimed, lines[n].stuck.Load() == 1)
	}
}

// A goroutine that serves the device and unmasks the line on another CPU, as soon as it is
// woken, finds the interrupt counted: it takes it back, or leaves the line masked.
func TestGoroutineIsQuick(t *testing.T) {
	for _, claimed := range []bool{false, true} {
		b := newBoard(t, 0x20)
		n := b.claim(abi.IRQLevel)
		signal = func(*percpu.CPU, *linux.File) { Unmask(&memory.cpus[1], nil, n, claimed) }
		b.storm(n, 200_000)
		l := &lines[n]
		require.Equal(t, !claimed, l.stuck.Load() == 1)
		require.Equal(t, !claimed, b.entries[input][0]&bitMasked != 0)
		require.Equal(t, claimed, l.all == 0)
	}
}
