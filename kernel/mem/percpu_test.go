package mem

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestPerCPULines(t *testing.T) {
	k := &perChunk{}
	take := func(n uint) uint {
		at, ok := k.take(n)
		require.True(t, ok)
		return at
	}
	require.EqualValues(t, 0, take(1))
	require.EqualValues(t, 1, take(64), "across a word")
	require.EqualValues(t, 65, take(2))
	k.mark(1, 64, false)
	_, ok := k.take(unitLines - 66)
	require.False(t, ok, "more than is left in a row")
	require.EqualValues(t, 1, take(63), "the hole first")
	require.EqualValues(t, 67, take(2), "one line is left of the hole")
	require.EqualValues(t, 64, take(1))
	require.EqualValues(t, 69, take(unitLines-69))
	_, ok = k.take(1)
	require.False(t, ok, "full")
}

func TestPerCPUInstances(t *testing.T) {
	p := PerCPU(0x1000)
	require.Equal(t, uintptr(0x1000), p.On(0))
	require.Equal(t, uintptr(0x1000+3*perUnit), p.On(3))
}
