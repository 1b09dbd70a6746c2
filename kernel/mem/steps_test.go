package mem

import (
	"math/rand/v2"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"

	"muster/kernel/layout"
	"muster/kernel/percpu"
)

// flushes counts the flushes of the TLB, of all of it or of one page.
var flushes int

// hostCaches are the caches of frames of CPUs 0 to 3. They stay empty.
var hostCaches [4 * perUnit]byte

// hostTables gives a space page tables in ordinary memory, and a frame table that
// covers them, so that they can be freed. It returns how many frames are free: those
// that the space gave back.
func hostTables(t *testing.T, s *Space, pages uintptr) (*tables, func() uint64) {
	t.Helper()
	pt := newTables(t, pages)
	first := uint32(pt.root >> layout.PageShift)
	low := first &^ (wordsPerPage - 1) // the pool looks at the words of buddies
	words := hostWords(t, uintptr(first-low)+roundUp(pages+1, wordsPerPage)+wordsPerPage)
	for i := range pages + 1 {
		words[uintptr(first-low)+i] = frameUsed
	}
	was := frameTablePages
	noMemory(t)
	frames.table = uintptr(unsafe.Pointer(&words[0])) - uintptr(low)*4
	frames.memory = Direct(pt.root) - uintptr(first)<<layout.PageShift
	frameTablePages.has = func(uint32) bool { return false }
	const plenty = 1 << 20
	pool.unused.Store(plenty)
	clear(hostCaches[:])
	frames.caches = PerCPU(unsafe.Pointer(&hostCaches))
	t.Cleanup(func() { frameTablePages = was })
	s.root = pt.root
	s.user = true
	s.cpus = &s.own // no CPU
	flushes = 0
	all, one := reload, invalidate
	reload = func(*percpu.CPU) { flushes++ }
	invalidate = func(*percpu.CPU, uintptr) { flushes++ }
	t.Cleanup(func() { reload, invalidate = all, one })
	return pt, func() uint64 { return pool.unused.Load() - plenty }
}

// wideSpace is hostSpace with more addresses than a last-level table covers.
func wideSpace(t *testing.T) *Space {
	s := hostSpace(t)
	s.from, s.to = layout.PageSize, 1<<42
	s.low, s.high = s.from, s.to
	return s
}

// freeTables frees the tables of a range, as package linux does, and counts steps.
func freeTables(t *testing.T, s *Space, start, end uintptr) (steps int) {
	for level := uint(1); level <= 3; level++ {
		for at := start; at < end; steps++ {
			next := s.FreeTables(cpu0, level, at, end)
			require.Greater(t, next, at)
			require.LessOrEqual(t, next, end)
			at = next
		}
	}
	return steps
}

// present lists the tables below a table.
func present(table PhysAddr, level uint) (n uint64) {
	if level == 0 {
		return 0
	}
	for i := range uintptr(entries) {
		if e := *entryAt(table, i); e&ptePresent != 0 {
			n += 1 + present(tableOf(e), level-1)
		}
	}
	return n
}

// wanted is how many tables the areas of a space need, if each has every page.
func wanted(s *Space) (n uint64) {
	for level := uint(1); level <= 3; level++ {
		size, end := uintptr(1)<<(12+9*level), uintptr(0)
		for a := s.next(0); a != nil; a = s.next(a.end) {
			from, to := max(roundDown(a.start(), size), end), roundUp(a.end, size)
			if from < to {
				n += uint64((to - from) / size)
				end = to
			}
		}
	}
	return n
}

// Areas come and go at random; after each unmapping there are exactly the tables that
// the remaining areas need, and every other one is a free frame.
func TestFreeTables(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	for range 30 {
		s := wideSpace(t)
		pt, free := hostTables(t, s, 3000)
		type area struct{ start, end uintptr }
		var list []area
		made := uint64(0)
		for range 60 {
			start := uintptr(1+r.IntN(3))<<39 + uintptr(r.IntN(2))<<30 + uintptr(r.IntN(3))<<21 + uintptr(r.IntN(512))*pg
			end := start + uintptr(1+r.IntN(1200))*pg
			if r.IntN(3) > 0 && s.Available(cpu0, start, end) {
				require.True(t, s.Insert(cpu0, start, end, ProtRead))
				list = append(list, area{start, end})
				before := pt.used
				for va := start; va < end; va += pg {
					pt.entry(va)
				}
				made += uint64((pt.used - before) / pg)
				s.tables = made - free()
			} else if len(list) > 0 {
				i := r.IntN(len(list))
				a := list[i]
				list = append(list[:i], list[i+1:]...)
				unmap(t, s, a.start, a.end)
				freeTables(t, s, a.start, a.end)
			}
			require.Equal(t, wanted(s), present(s.root, 3))
			require.Equal(t, s.tables, present(s.root, 3))
			require.Equal(t, made, s.tables+free())
		}
		for _, a := range list {
			unmap(t, s, a.start, a.end)
			freeTables(t, s, a.start, a.end)
		}
		require.Zero(t, s.tables)
		require.Zero(t, present(s.root, 3))
	}
}

// A range of many terabytes without tables takes few steps, and one flush is enough
// for all tables of a step.
func TestFreeTablesIsBounded(t *testing.T) {
	s := wideSpace(t)
	pt, _ := hostTables(t, s, 3000)
	require.Equal(t, 3, freeTables(t, s, 0, 1<<42), "a step for each level")
	require.Zero(t, flushes)
	for i := range uintptr(512) {
		pt.entry(1<<40 + i<<21)
		s.tables++
	}
	s.tables += 2
	steps := freeTables(t, s, 0, 1<<42)
	require.Equal(t, (7+512+511)/(chunk/4)+1+(7+512)/(chunk/4)+1+1, steps, "entries, and tables that are missing")
	require.LessOrEqual(t, flushes, 512/(chunk/4)+1+2)
	require.Zero(t, present(s.root, 3))
}

// The kernel's top-level entries are in every other top table, and stay.
func TestFreeTablesKeepsTop(t *testing.T) {
	s := wideSpace(t)
	pt, free := hostTables(t, s, 20)
	s.user = false
	pt.entry(1 << 39)
	s.tables = 2 // the first table was not made by the space
	freeTables(t, s, 0, 1<<42)
	require.EqualValues(t, 2, free())
	require.EqualValues(t, 1, present(s.root, 3))
}

// Move carries entries over, and none of another range, in chunks.
func TestMove(t *testing.T) {
	s := wideSpace(t)
	pt, _ := hostTables(t, s, 50)
	const from, to, n = 1<<30 + 5*pg, 1<<31 + 9*pg, 7 * moveBatch * 3 / 2 // whole batches: a few pages are flushed one by one
	for i := range uintptr(n + 1) {
		if i%3 != 0 || i == n {
			*pt.entry(from + i*pg) = uint64(i)<<12 | ptePresent
		}
		pt.entry(to + i*pg) // the tables are there: no frame is needed
	}
	at, dst, steps := uintptr(from), uintptr(to), 0
	for at < from+n*pg {
		next, ok := s.Move(cpu0, at, dst, from+n*pg)
		require.True(t, ok)
		require.LessOrEqual(t, next-at, uintptr(chunk*pg))
		dst += next - at
		at = next
		steps++
	}
	require.Equal(t, steps, flushes)
	for i := range uintptr(n) {
		want := uint64(0)
		if i%3 != 0 {
			want = uint64(i)<<12 | ptePresent
		}
		require.Equal(t, want, *pt.entry(to + i*pg), "page %d", i)
		require.Zero(t, *pt.entry(from + i*pg))
	}
	require.NotZero(t, *pt.entry(from + n*pg), "the page after the range")
	require.Zero(t, *pt.entry(to + n*pg))
}

// Without a frame for a page table, Move says where it stopped, and a page is at one
// of the two places.
func TestMoveWithoutMemory(t *testing.T) {
	s := wideSpace(t)
	pt, _ := hostTables(t, s, 50)
	const from, to = 1<<30 + 508*pg, 1<<31 + 508*pg
	for i := range uintptr(10) {
		*pt.entry(from + i*pg) = uint64(i)<<12 | ptePresent
	}
	pt.entry(to) // no table for the page after the fourth
	next, ok := s.Move(cpu0, from, to, from+10*pg)
	require.False(t, ok)
	require.Equal(t, uintptr(from+4*pg), next)
	require.NotZero(t, *pt.entry(to + 3*pg))
	require.NotZero(t, *pt.entry(from + 4*pg))
	next, ok = s.Move(cpu0, to, from, to+4*pg) // back
	require.True(t, ok)
	require.Equal(t, uintptr(to+4*pg), next)
	require.NotZero(t, *pt.entry(from))
}

// A right that a page loses needs a flush. A right that it gets does not, and pages that were
// not present need none.
func TestReprotectFlushes(t *testing.T) {
	const rx, rw, rwx = ProtRead | ProtExec, ProtRead | ProtWrite, ProtRead | ProtWrite | ProtExec
	for _, tc := range []struct {
		from, to Prot
		flush    int
	}{
		{rw, ProtRead, 1}, {rwx, rw, 1}, {rwx, rx, 1}, {rw, 0, 1}, {ProtRead, 0, 1}, {rw, rx, 1}, {rx, rw, 1},
		{ProtRead, rw, 0}, {ProtRead, rx, 0}, {rw, rwx, 0}, {0, rwx, 0}, {0, ProtRead, 0}, {rw, rw, 0}, {0, 0, 0},
	} {
		s := wideSpace(t)
		pt, _ := hostTables(t, s, 20)
		const start, n = 1 << 30, 10
		require.True(t, s.Insert(cpu0, start, start+n*pg, tc.from))
		for i := range uintptr(n) {
			if i != 3 { // a page that is not there
				*pt.entry(start + i*pg) = uint64(i)<<12 | s.pageBits(tc.from) | 1<<5
			}
		}
		require.True(t, s.SetProt(cpu0, start, start+n*pg, tc.to))
		require.Equal(t, uintptr(start+n*pg), s.Reprotect(cpu0, start, start+n*pg))
		require.Equal(t, tc.flush*n, flushes, "from %d to %d", tc.from, tc.to)
		for i := range uintptr(n) {
			if i != 3 {
				require.Equal(t, uint64(i)<<12|s.pageBits(tc.to), *pt.entry(start + i*pg))
			}
		}
	}
}

// A page fault between SetProt and Reprotect has the new rights, but does not take the old
// ones away: another CPU may have them in its TLB, and only Reprotect flushes.
func TestFaultLeavesRightsToReprotect(t *testing.T) {
	const rx, rw, rwx = ProtRead | ProtExec, ProtRead | ProtWrite, ProtRead | ProtWrite | ProtExec
	for _, tc := range []struct {
		from, to Prot
		code     uint64 // of the page fault, which the new rights allow
		flush    int
	}{
		{rw, ProtRead, 0, 1}, {rwx, rx, faultFetch, 1}, {rwx, rw, faultWrite, 1}, {rx, rw, faultWrite, 1}, {rw, rx, faultFetch, 1},
		{ProtRead, rw, faultWrite, 0}, {rx, rwx, faultWrite, 0}, {0, rx, faultFetch, 0},
	} {
		s := wideSpace(t)
		pt, _ := hostTables(t, s, 20)
		const at = 1 << 30
		require.True(t, s.Insert(cpu0, at, at+pg, tc.from))
		*pt.entry(at) = 7<<12 | s.pageBits(tc.from)
		require.True(t, s.SetProt(cpu0, at, at+pg, tc.to))
		require.Equal(t, Resolved, s.Fault(cpu0, at, faultPresent|faultUser|tc.code))
		may := *pt.entry(at)
		require.Equal(t, may, gain(may, s.pageBits(tc.to)), "the fault gives the new rights")
		s.Reprotect(cpu0, at, at+pg)
		require.Equal(t, tc.flush, flushes, "from %d to %d", tc.from, tc.to)
		require.Equal(t, 7<<12|s.pageBits(tc.to), *pt.entry(at))
	}
}
