package mem

import (
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"

	"muster/kernel/layout"
	"muster/kernel/percpu"
)

// content returns the words of a page.
func content(p PhysAddr) []uint64 {
	return unsafe.Slice(ptr[uint64](frames.memory+uintptr(p)), layout.PageSize/8)
}

// dirty fills a page with old contents.
func dirty(p PhysAddr) {
	for i := range content(p) {
		content(p)[i] = 0xdead0000 + uint64(i)
	}
}

// clearAll is a CPU that is idle for long.
func clearAll(c *percpu.CPU) (n int) {
	for ClearAhead(c) {
		n++
	}
	return n
}

// aheadMachine has memory in which all that is free has old contents, and CPUs that clear up to 40 pages.
func aheadMachine(t *testing.T) *machine {
	m := newMachine(t, 4000, 600)
	var list []PhysAddr
	for p, ok := AllocFrame(m.cpus[0]); ok; p, ok = AllocFrame(m.cpus[0]) {
		dirty(p)
		list = append(list, p)
	}
	require.Len(t, list, 4000)
	for _, p := range list {
		FreeFrame(m.cpus[0], p)
	}
	GiveBack(m.cpus[0])
	frames.ahead = 40
	return m
}

// An idle CPU clears pages until it has enough. Programs, page tables and the kernel get these first, and others
// after that; all are zeros. Other CPUs do not get them.
func TestPagesAreClearedAhead(t *testing.T) {
	for name, alloc := range map[string]func(*percpu.CPU) (PhysAddr, bool){"user": AllocUser, "zeroed": AllocZeroed, "runtime": AllocRuntime} {
		t.Run(name, func(t *testing.T) {
			m := aheadMachine(t)
			a, b := m.cpus[1], m.cpus[2]
			require.Equal(t, 40, clearAll(a))
			require.False(t, ClearAhead(a), "enough")
			require.EqualValues(t, 40, cacheOf(a).zero.n)
			require.Equal(t, m.free(), m.walk(t))
			for range 5 {
				p, ok := alloc(b)
				require.True(t, ok)
				for _, v := range content(p) {
					require.Zero(t, v)
				}
				dirty(p)
				FreeFrame(b, p)
			}
			require.EqualValues(t, 40, cacheOf(a).zero.n)
			for i := range 60 {
				p, ok := alloc(a)
				require.True(t, ok)
				for _, v := range content(p) {
					require.Zero(t, v)
				}
				require.EqualValues(t, max(0, 39-i), cacheOf(a).zero.n)
				dirty(p)
				FreeFrame(a, p)
			}
			require.Equal(t, Ahead{Cleared: 40, Used: 40}, cacheOf(a).countAhead())
			require.Equal(t, 40, clearAll(a))
			GiveBack(a)
			require.Equal(t, Ahead{Cleared: 80, Used: 40}, cacheOf(a).countAhead())
			require.EqualValues(t, 4000, m.walk(t))
		})
	}
}

// A CPU does not clear pages while the pool has less than what fills all caches, and while no CPU caches frames: then it has none of
// its own, and takes none.
func TestClearingStopsWhenMemoryIsScarce(t *testing.T) {
	m := aheadMachine(t)
	a, b := m.cpus[0], m.cpus[1]
	var held []PhysAddr
	for pool.unused.Load() >= pool.enough {
		p, ok := AllocUser(b)
		require.True(t, ok)
		held = append(held, p)
	}
	require.NotZero(t, frames.caching.Load(), "long before the caching ends")
	require.Zero(t, clearAll(a))
	require.Zero(t, cached(a.ID))
	for _, p := range held[:len(held)/2] {
		FreeFrame(b, p)
	}
	GiveBack(b)
	require.Equal(t, 40, clearAll(a), "as soon as there is more")
	for p, ok := AllocUser(b); ok; p, ok = AllocUser(b) {
		held = append(held, p)
	}
	require.Zero(t, frames.caching.Load())
	require.EqualValues(t, 40, cacheOf(a).zero.n)
	require.NotZero(t, cached(a.ID), "so Recall sends it a request")
	unused := pool.unused.Load()
	GiveBack(a)
	require.Greater(t, pool.unused.Load(), unused+39)
	require.Zero(t, cached(a.ID))
	require.Zero(t, clearAll(a))
	require.Equal(t, m.free(), m.walk(t))
}

// A CPU that allocates gives its pages of zeros back when it finds that memory is scarce: the next allocation finds them, whatever
// it needs them for.
func TestPagesOfZerosComeBack(t *testing.T) {
	m := aheadMachine(t)
	c := m.cpus[3]
	require.Equal(t, 40, clearAll(c))
	n := 0
	for _, ok := AllocFrame(c); ok; _, ok = AllocFrame(c) {
		n++
	}
	require.Equal(t, 4000, n, "also pages whose contents do not matter")
}

// With many CPUs or little memory there are few pages of zeros, and none by zeropool=off.
func TestPagesOfZerosAreASmallPart(t *testing.T) {
	noMemory(t)
	for _, tc := range []struct {
		megabytes uint64
		cpus      uint32
		each      uint32
	}{
		{64, 1, 256}, {64, 4, 64}, {512, 4, 256}, {16 << 10, 64, 256}, {2 << 10, 512, 16}, {1 << 20, 1, 256}, {4, 64, 0},
	} {
		frames.total = tc.megabytes << 20 / layout.PageSize
		sizeAhead(tc.cpus)
		require.Equal(t, tc.each, frames.ahead, "%+v", tc)
	}
	LeaveZeroing()
	sizeAhead(1)
	require.Zero(t, frames.ahead)
}
