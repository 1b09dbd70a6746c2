package mem

import (
	"testing"

	"github.com/stretchr/testify/require"

	"muster/kernel/layout"
	"muster/kernel/lock"
	"muster/kernel/percpu"
)

func TestBareEntries(t *testing.T) {
	for _, va := range []uintptr{0, layout.MapBase, layout.MapBase + 5*pg, layout.MapEnd - pg} {
		e := bareEntry(va)
		require.Zero(t, e&ptePresent)
		require.NotZero(t, e, "an entry in use is not 0")
		require.Equal(t, va, bareNext(e))
	}
}

// Ranges give their frames back with one flush for all of them, before any frame is
// free; and their addresses are used again, the last ones first.
func TestPool(t *testing.T) {
	const pages = 4
	pt, free := hostTables(t, &Space{}, 60)
	kernelRoot = pt.root
	var none percpu.Mask
	Kernel.cpus = &none
	mapped.mu.Rank = lock.RankMap
	mapped.next = layout.MapBase
	t.Cleanup(func() { kernelRoot, Kernel.cpus, mapped.next = 0, nil, 0 })
	freeAtFlush := uint64(99)
	count := reload
	reload = func(c *percpu.CPU) { freeAtFlush = free(); count(c) }

	p := &Pool{}
	p.Init(pages * pg)
	var ranges []uintptr
	for range 3 {
		low := p.reserve(cpu0)
		require.NotContains(t, ranges, low)
		for i := range uintptr(pages) {
			*pt.entry(low + i*pg) = uint64(pt.page()) | pteStack
		}
		require.Nil(t, entryOfGuard(pt, low), "below it nothing is mapped")
		ranges = append(ranges, low)
	}
	require.Zero(t, pteStack&pteGlobal)
	p.Free(cpu0, ranges[:2])
	require.Equal(t, 1, flushes)
	require.Zero(t, freeAtFlush, "no frame is free before the flush")
	require.EqualValues(t, 2*pages, free())
	for i := range uintptr(pages) {
		require.Zero(t, *pt.entry(ranges[1] + i*pg)&ptePresent)
		require.NotZero(t, *pt.entry(ranges[2] + i*pg)&ptePresent, "another range")
	}
	require.Equal(t, ranges[1], p.reserve(cpu0))
	require.Zero(t, *pt.entry(ranges[1]), "ready for a page")
	require.Equal(t, ranges[0], p.reserve(cpu0))
	require.NotContains(t, ranges, p.reserve(cpu0), "a new one")
}

// entryOfGuard returns the entry of the page below a range if it maps anything.
func entryOfGuard(pt *tables, low uintptr) *uint64 {
	if e := pt.entry(low - pg); *e != 0 {
		return e
	}
	return nil
}

// A range for which memory did not suffice goes back with the pages that it got.
func TestPoolWithoutMemory(t *testing.T) {
	pt, _ := hostTables(t, &Space{}, 60)
	kernelRoot = pt.root
	var none percpu.Mask
	Kernel.cpus = &none
	mapped.mu.Rank = lock.RankMap
	mapped.next = layout.MapBase
	t.Cleanup(func() { kernelRoot, Kernel.cpus, mapped.next = 0, nil, 0 })
	p := &Pool{}
	p.Init(4 * pg)
	pt.entry(layout.MapBase) // a table is there, and no frame
	_, ok := p.Alloc(cpu0)
	require.False(t, ok)
	require.NotZero(t, p.bare, "the addresses wait for the next")
}
