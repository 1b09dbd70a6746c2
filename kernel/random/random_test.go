package random

import (
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"

	"muster/kernel/cpu"
	"muster/kernel/percpu"
)

// RFC 8439, "Test Vector for the ChaCha20 Block Function".
func TestBlock(t *testing.T) {
	var key [8]uint32
	for i := range key {
		at := uint32(4 * i)
		key[i] = at | (at+1)<<8 | (at+2)<<16 | (at+3)<<24
	}
	nonce := [3]uint32{0x09000000, 0x4a000000, 0}
	require.Equal(t, [16]uint32{
		0xe4e7f110, 0x15593bd1, 0x1fdd0f50, 0xc47120a3, 0xc7f4d1c7, 0x0368c033, 0x9aaa2204, 0x4e6cd4c3,
		0x466482d2, 0x09aa9f07, 0x05d7c214, 0xa2028bd9, 0xd19c12b5, 0xb94e16de, 0xe883d0cb, 0x4e3c50a2,
	}, block(&key, 1, &nonce))
}

// draws returns the first numbers of a generator that was given values.
func draws(n int, values ...uint64) (list []uint64) {
	var g generator
	for _, v := range values {
		g.mixIn(v)
	}
	for range n {
		list = append(list, g.next())
	}
	return list
}

func TestGenerator(t *testing.T) {
	a := draws(1000, 1, 2, 3)
	require.Equal(t, a, draws(1000, 1, 2, 3))
	seen := map[uint64]bool{}
	for _, other := range [][]uint64{a, draws(1000, 1, 2, 4), draws(1000, 2, 1, 3), draws(1000, 1, 2, 3, 0), draws(1000)} {
		for _, v := range other {
			require.False(t, seen[v], "each input, and their order, changes every number")
			seen[v] = true
		}
	}
	ones := 0
	for v := range seen {
		for ; v != 0; v &= v - 1 {
			ones++
		}
	}
	require.InDelta(t, 5000*32, ones, 2000, "half of the bits are set")
}

// Each byte of what the loader left counts, at its place, and the number of bytes counts too.
func TestMixBytes(t *testing.T) {
	first := func(b []byte) uint64 {
		var g generator
		g.mixBytes(b)
		return g.next()
	}
	seen := map[uint64]bool{first(nil): true}
	for n := 1; n < 20; n++ {
		for i := range n {
			b := make([]byte, n)
			b[i] = 1
			v := first(b)
			require.False(t, seen[v], "%d bytes, the one at %d", n, i)
			seen[v] = true
		}
		v := first(make([]byte, n))
		require.False(t, seen[v], "%d bytes of zeros", n)
		seen[v] = true
	}
}

// Neither the key nor the buffer holds what was given away.
func TestForgets(t *testing.T) {
	var g generator
	g.mixIn(7)
	before := g
	g.next()
	require.NotEqual(t, before.key, g.key)
	require.Zero(t, g.out[g.left])
	g.mixIn(8)
	require.Zero(t, g.out, "numbers from before an input are dropped")
}

// numbers returns a source that returns its values in turn.
func numbers(ok bool, v ...uint64) func() (uint64, bool) {
	i := 0
	return func() (uint64, bool) {
		i++
		return v[(i-1)%len(v)], ok
	}
}

func TestWorks(t *testing.T) {
	good := []uint64{1, 2, 3, 4, 5, 6, 7, 8}
	require.True(t, works(numbers(true, good...)))
	require.False(t, works(numbers(false, good...)), "nothing is ever ready")
	require.False(t, works(numbers(true, ^uint64(0))), "all ones, as after the sleep of some CPUs")
	require.False(t, works(numbers(true, 0)))
	require.False(t, works(numbers(true, 1, 2, 3, 4, 5, 6, ^uint64(0), 8)))
	require.False(t, works(numbers(true, 12345)), "constant")
	require.False(t, works(numbers(true, 1, 2, 3)), "repeats")
	calls := 0
	require.True(t, works(func() (uint64, bool) { calls++; return uint64(calls), calls%3 == 0 }), "late, but good")
}

// The pool of the kernel gives numbers after any seed, and takes new input.
func TestPool(t *testing.T) {
	c := &percpu.CPU{}
	state = generator{}
	sources = Sources{}
	require.True(t, sources.Poor())
	require.Equal(t, draws(1)[0], Uint64(c), "without a seed")
	for range renewal * 4 {
		Uint64(c)
	}
	require.Less(t, state.blocks, uint32(renewal), "the time was mixed in")
	var f cpu.Features
	_, ok := Sources{}.draw()
	require.False(t, ok)
	require.False(t, f.Has(cpu.FeatureRDSeed))
}

var own [2]Generator // not on the stack: a block holds their addresses as numbers

// Each CPU gives numbers of its own, from a key that the common state gives it, before its
// first number and again after each renewal.
func TestOwnGenerators(t *testing.T) {
	state, sources = generator{}, Sources{}
	own = [2]Generator{}
	var cpus [2]percpu.CPU
	seen := map[uint64]bool{}
	for i := range cpus {
		cpus[i].Random = uintptr(unsafe.Pointer(&own[i]))
	}
	drawn := func() int { return int(state.blocks)*len(state.out) - state.left } // of the common state
	for range 3 {
		for i := range cpus {
			before := drawn()
			for range renewal * len(state.out) {
				v := Uint64(&cpus[i])
				require.False(t, seen[v])
				seen[v] = true
			}
			require.Equal(t, 4, drawn()-before, "of the common state, in one renewal")
			require.Zero(t, own[i].own.left)
			require.EqualValues(t, renewal, own[i].own.blocks)
		}
	}
	Uint64(&cpus[0])
	require.EqualValues(t, 1, own[0].own.blocks)
}
