package mem

import (
	"math/rand/v2"
	"runtime"
	"slices"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"

	"muster/kernel/layout"
)

// tables is page tables in ordinary memory: Direct of a PhysAddr from it is the
// address of a page of the arena.
type tables struct {
	arena []byte
	used  uintptr
	root  PhysAddr
}

func newTables(t *testing.T, pages uintptr) *tables {
	pt := &tables{arena: make([]byte, (pages+1)*layout.PageSize)}
	t.Cleanup(func() { runtime.KeepAlive(pt) }) // the code under test knows it by address
	pt.root = pt.page()
	return pt
}

func (t *tables) page() PhysAddr {
	base := (uintptr(unsafe.Pointer(&t.arena[0])) + layout.PageSize - 1) &^ (layout.PageSize - 1)
	p := base + t.used
	t.used += layout.PageSize
	_ = t.arena[p-uintptr(unsafe.Pointer(&t.arena[0]))+layout.PageSize-1]
	return DirectPhys(p)
}

// entry returns the last-level entry of va and makes the tables above it.
func (t *tables) entry(va uintptr) *uint64 {
	table := t.root
	for level := uint(3); level > 0; level-- {
		e := entryAt(table, index(va, level))
		if *e == 0 {
			*e = uint64(t.page()) | pteUserTable
		}
		table = tableOf(*e)
	}
	return entryAt(table, index(va, 0))
}

// A walk visits the entries of every table in the range once, in order, in
// stretches of at most chunk steps, whichever tables are missing.
func TestWalk(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 200 {
		pt := newTables(t, 64)
		var rows []uintptr // first addresses of the last-level tables
		for range 1 + r.IntN(8) {
			// Near and far apart: in the same, and in other, tables of each level.
			va := uintptr(r.IntN(2))<<39 | uintptr(r.IntN(2))<<30 | uintptr(r.IntN(4))<<21
			pt.entry(va)
			if !slices.Contains(rows, va) {
				rows = append(rows, va)
			}
		}
		slices.Sort(rows)
		start := uintptr(r.Uint64N(1<<40)) &^ (layout.PageSize - 1)
		if r.IntN(2) == 0 {
			start = rows[r.IntN(len(rows))] + uintptr(r.IntN(512))*layout.PageSize
		}
		end := start + uintptr(1+r.IntN(5000))*layout.PageSize
		if r.IntN(2) == 0 {
			end = 1 << 41
		}
		var want []uintptr
		for _, row := range rows {
			for va := row; va < row+layout.LargePage; va += layout.PageSize {
				if va >= start && va < end {
					want = append(want, va)
				}
			}
		}
		var got []uintptr
		s := &Space{root: pt.root}
		for at := start; at < end; {
			w := walk{s: s, at: at, end: end}
			seen := 0
			for e := w.next(); e != nil; e = w.next() {
				require.Same(t, pt.entry(w.page()), e)
				got = append(got, w.page())
				seen++
			}
			require.LessOrEqual(t, seen, chunk)
			require.Greater(t, w.reached(), at, "each walk makes progress")
			at = w.reached()
			require.LessOrEqual(t, at, end)
		}
		require.Equal(t, want, got)
	}
}

// A walk leaves a range without any table in as many steps as tables are missing.
func TestWalkSkipsWhatIsMissing(t *testing.T) {
	s := &Space{root: newTables(t, 1).root}
	w := walk{s: s, at: layout.PageSize, end: 100 << 39}
	require.Nil(t, w.next())
	require.Equal(t, 100, w.steps)
	require.Equal(t, uintptr(100<<39), w.reached())
}

// physical finds what a page of each size maps, and no device.
func TestPhysical(t *testing.T) {
	tb := newTables(t, 8)
	const va = 0x7f1234567000
	_, ok := physical(tb.root, va)
	require.False(t, ok, "no table")
	e := tb.entry(va)
	_, ok = physical(tb.root, va)
	require.False(t, ok, "no page")
	*e = 0x5000 | ptePresent | pteUser
	p, ok := physical(tb.root, va+0x128)
	require.True(t, ok)
	require.EqualValues(t, 0x5128, p)
	*e |= pteUncached
	_, ok = physical(tb.root, va)
	require.False(t, ok, "a read of a register may have effects")
	above := entryAt(tableOf(*entryAt(tableOf(*entryAt(tb.root, index(va, 3))), index(va, 2))), index(va, 1))
	*above = 0x40000000 | ptePresent | pteLarge
	p, ok = physical(tb.root, va+8)
	require.True(t, ok)
	require.EqualValues(t, 0x40000000+(va+8)&(layout.LargePage-1), p)
}
