package percpu

import (
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"
)

// room is a variable: a stack may move, and the code knows the memory by its address alone.
var room [4]*CPU

func TestTable(t *testing.T) {
	var cpus [5]CPU
	for i := range cpus {
		cpus[i].Init(uint32(i))
	}
	require.True(t, Register(&cpus[0]))
	require.False(t, Register(&cpus[1]), "there is room for the boot CPU alone")
	SetTable(uintptr(unsafe.Pointer(&room[0])), 4)
	for i := 1; i < 4; i++ {
		require.True(t, Register(&cpus[i]))
	}
	require.False(t, Register(&cpus[4]))
	require.Equal(t, uint32(4), Count())
	require.True(t, Valid(&cpus[3]))
	require.False(t, Valid(&cpus[4]), "not registered")
	copied := cpus[2]
	require.False(t, Valid(&copied), "a copy at another address")
	Damage(&cpus[1])
	require.False(t, Valid(&cpus[1]))
	for i := range uint32(4) {
		require.Same(t, &cpus[i], Get(i))
	}
}

// maskWords is a variable: a stack may move, and the code knows the memory by its address alone.
var maskWords []uint64

func TestMask(t *testing.T) {
	for _, n := range []uint32{3, 64, 65, 288} {
		maskWords = make([]uint64, MaskBytes(n)/8+1)
		words := maskWords
		words[len(words)-1] = ^uint64(0) // is not the mask's
		var m Mask
		m.Init(uintptr(unsafe.Pointer(&words[0])), n)
		_, ok := m.Next(0)
		require.False(t, ok)
		m.Set(n - 1)
		m.Set(0)
		require.True(t, m.Has(n-1))
		require.False(t, m.Has(n))
		_, ok = m.Next(n)
		require.False(t, ok)
		id, ok := m.Next(0)
		require.True(t, ok)
		require.Zero(t, id)
		if n > 1 {
			id, ok = m.Next(1)
			require.True(t, ok)
			require.Equal(t, n-1, id)
			require.True(t, m.Clear(n-1))
		}
		require.True(t, m.Clear(0))
		require.False(t, m.Clear(0), "one caller gets true")
		m.Set(1)
		m.Set(2)
		require.True(t, m.Clear(1))
		require.False(t, m.Has(1))
		require.True(t, m.Has(2), "the other CPUs stay")
		require.Equal(t, ^uint64(0), words[len(words)-1])
	}
}
