package cpus

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// A counter that is late keeps its CPU from joining until that is known, one that is ahead is found before the CPU may
// join, and one that agrees costs nothing. Counters may wrap.
func TestCounterCheck(t *testing.T) {
	for _, base := range []uint64{1e9, ^uint64(0) - 50} {
		var k counterCheck
		k.report(base)
		require.False(t, k.early(base+10))
		k.give(base + 10)
		require.True(t, k.agrees(base+20))
		require.False(t, k.hear(), "nothing to hear")
		require.Zero(t, k.apart.Load())

		k.reset()
		k.skew = 500
		k.report(base)
		require.True(t, k.early(base+10))
		require.EqualValues(t, 490, k.apart.Load())
		require.Zero(t, k.late.Load())
		k.give(base + 10)
		require.True(t, k.agrees(base+20))

		k.reset()
		k.skew = ^uint64(0) - 499 // -500
		k.report(base)
		require.False(t, k.early(base+10))
		k.give(base + 10)
		require.False(t, k.agrees(base+20))
		require.EqualValues(t, 490, k.apart.Load())
		require.False(t, k.agrees(base+20_000), "it stays late, however late it looks again")
		require.EqualValues(t, 490, k.apart.Load())
		require.True(t, k.hear())
		require.False(t, k.hear(), "once")
		require.True(t, k.agrees(base+20_000))
		k.reset()
		require.Zero(t, k.apart.Load())
	}
}
