package mem

import (
	"math/rand/v2"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"

	"muster/kernel/layout"
	"muster/kernel/lock"
	"muster/kernel/percpu"
)

var (
	arena [100 * pg]byte // pages for caches on the host
	cpu0  = &percpu.CPU{}
)

// hostPages gives caches n pages of the arena. It returns how many are left.
func hostPages(t *testing.T, n int) func() int {
	t.Helper()
	first := roundUp(uintptr(unsafe.Pointer(&arena)), pg)
	require.LessOrEqual(t, first+uintptr(n)*pg, uintptr(unsafe.Pointer(&arena))+uintptr(len(arena)))
	clear(arena[:]) // an old pointer there, to a cache of an earlier test, would reach the collector by a write barrier
	var free []uintptr
	for i := range uintptr(n) {
		free = append(free, first+i*pg)
	}
	was := slabPages
	slabPages.get = func(*percpu.CPU) (uintptr, bool) {
		if len(free) == 0 {
			return 0, false
		}
		p := free[len(free)-1]
		free = free[:len(free)-1]
		return p, true
	}
	slabPages.put = func(_ *percpu.CPU, p uintptr) { free = append(free, p) }
	t.Cleanup(func() { slabPages = was })
	return func() int { return len(free) }
}

// hostSpace is a space of 256 pages without page tables.
func hostSpace(t *testing.T) *Space {
	t.Helper()
	areaCache = Cache{Name: "area"}
	areaCache.Init(unsafe.Sizeof(Area{}))
	hostPages(t, 90)
	s := &Space{}
	s.mu.Rank = lock.RankSpace
	s.areas.Refresh = refreshArea
	s.from, s.to = 16*pg, 272*pg
	s.low, s.high = s.from, s.to
	return s
}

const pg = layout.PageSize

// model has the expected state of each page: 0 free, else rights+1.
type model [272]uint8

func (m *model) free(start, end uintptr) bool {
	for p := start / pg; p < end/pg; p++ {
		if m[p] != 0 {
			return false
		}
	}
	return true
}

func (m *model) set(start, end uintptr, v uint8) {
	for p := start / pg; p < end/pg; p++ {
		m[p] = v
	}
}

// check compares every page, and checks that neighbours with the same rights are
// one area.
func (m *model) check(t *testing.T, s *Space) {
	t.Helper()
	for p := s.from / pg; p < s.to/pg; p++ {
		a := s.find(p * pg)
		if m[p] == 0 {
			require.Nil(t, a, "page %d", p)
			continue
		}
		require.NotNil(t, a, "page %d", p)
		require.Equal(t, Prot(m[p]-1), a.prot, "page %d", p)
	}
	var last *Area
	for a := s.next(s.from); a != nil; a = s.next(a.end) {
		if last != nil && last.end == a.start() {
			require.NotEqual(t, last.prot, a.prot, "neighbours at %d are not joined", a.start()/pg)
		}
		last = a
	}
}

// unmap, protect and covered go through the areas of a range, as package linux does.
func unmap(t *testing.T, s *Space, start, end uintptr) {
	t.Helper()
	for {
		from, to, ok := s.NextArea(cpu0, start, end)
		if !ok {
			return
		}
		require.True(t, s.BeginUnmap(cpu0, from, to))
		require.True(t, s.find(from).dying)
		require.Equal(t, from, s.find(from).start())
		require.Equal(t, to, s.find(from).end)
		require.False(t, s.Available(cpu0, from, to))
		s.EndUnmap(cpu0, from)
		require.True(t, s.Available(cpu0, from, to))
		start = to
	}
}

func protect(t *testing.T, s *Space, start, end uintptr, prot Prot) {
	t.Helper()
	for start < end {
		from, to, ok := s.NextArea(cpu0, start, end)
		require.True(t, ok && from == start)
		require.True(t, s.SetProt(cpu0, from, to, prot))
		require.Equal(t, prot, s.ProtAt(cpu0, from))
		start = to
	}
}

func covered(s *Space, start, end uintptr) bool {
	for start < end {
		from, to, ok := s.NextArea(cpu0, start, end)
		if !ok || from != start {
			return false
		}
		start = to
	}
	return true
}

// hole returns the lowest free run of n pages at or above floor.
func (m *model) hole(s *Space, floor, n uintptr) (uintptr, bool) {
	for at := max(floor, s.from); at+n <= s.to; at += pg {
		if m.free(at, at+n) {
			return at, true
		}
	}
	return 0, false
}

func TestAreasAgainstModel(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	s := hostSpace(t)
	m := &model{}
	for step := range 6000 {
		start := s.from + uintptr(rng.IntN(256))*pg
		n := uintptr(1+rng.IntN(20)) * pg
		end := start + n
		inside := end <= s.to
		switch rng.IntN(5) {
		case 0, 1: // map where it is free
			require.Equal(t, inside && m.free(start, min(end, s.to)), s.Available(cpu0, start, end))
			if inside && m.free(start, end) {
				prot := uint8(rng.IntN(3))
				require.True(t, s.Insert(cpu0, start, end, Prot(prot)))
				m.set(start, end, prot+1)
			}
		case 2: // find a hole
			got, ok := s.FindHole(cpu0, start, n)
			want, wantOK := m.hole(s, start, n)
			require.Equal(t, wantOK, ok, "step %d", step)
			if ok {
				require.Equal(t, want, got, "step %d", step)
			}
		case 3: // unmap a range, whatever is there
			if !inside {
				break
			}
			unmap(t, s, start, end)
			m.set(start, end, 0)
		case 4: // change rights of what is there
			if inside && covered(s, start, end) {
				prot := uint8(rng.IntN(3))
				protect(t, s, start, end, Prot(prot))
				m.set(start, end, prot+1)
			}
		}
		if step%20 == 0 {
			m.check(t, s)
		}
	}
	unmap(t, s, s.from, s.to)
	require.Nil(t, s.areas.Root)
	require.EqualValues(t, areaCache.quarantined(), areaCache.inUse, "all areas are given back")
	require.Zero(t, s.count)
}

func TestNoMemoryForAreas(t *testing.T) {
	s := hostSpace(t)
	require.True(t, s.Insert(cpu0, 20*pg, 40*pg, ProtRead))
	for areaCache.Alloc(cpu0) != nil { // until there is none
	}
	require.False(t, s.Insert(cpu0, 50*pg, 60*pg, ProtRead), "no node, no change")
	require.False(t, s.BeginUnmap(cpu0, 25*pg, 30*pg))
	require.False(t, s.SetProt(cpu0, 25*pg, 30*pg, 0))
	require.True(t, covered(s, 20*pg, 40*pg))
	require.True(t, s.Available(cpu0, 50*pg, 60*pg))
}

func TestHolds(t *testing.T) {
	user := &Space{user: true, low: 0, high: layout.UserEnd}
	kernel := &Space{low: layout.GoBase, high: layout.GoEnd}
	tests := map[string]struct {
		s       *Space
		addr, n uintptr
		want    bool
	}{
		"user":                   {user, 0x1000, 100, true},
		"to the end":             {user, layout.UserEnd - 8, 8, true},
		"past the end":           {user, layout.UserEnd - 8, 9, false},
		"wraps":                  {user, layout.UserEnd - 8, ^uintptr(0), false},
		"kernel's half":          {user, layout.DirectBase, 8, false},
		"not canonical":          {user, 1 << 50, 8, false},
		"kernel's heap":          {kernel, layout.GoBase + 64, 8, true},
		"kernel's constants":     {kernel, layout.ImageBase + layout.Load, 8, true},
		"kernel's direct map":    {kernel, layout.DirectBase, 8, false},
		"kernel's stacks":        {kernel, layout.MapBase, 8, false},
		"kernel, a user pointer": {kernel, 0x1000, 8, false},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) { require.Equal(t, tc.want, tc.s.Holds(tc.addr, tc.n)) })
	}
}

func TestPageBits(t *testing.T) {
	user, kernel := &Space{user: true}, &Space{}
	require.Equal(t, uint64(ptePresent|pteUser|pteWrite|pteNoExec), user.pageBits(ProtRead|ProtWrite))
	require.Equal(t, uint64(ptePresent|pteUser), user.pageBits(ProtRead|ProtExec))
	require.Equal(t, uint64(ptePresent|pteWrite|pteNoExec), kernel.pageBits(ProtRead|ProtWrite))
	require.Zero(t, user.pageBits(0)&ptePresent, "no rights: the page is not present")
}

func TestLargest(t *testing.T) {
	require.Equal(t, uintptr(layout.HugePage), largest(layout.DirectBase, 0, 4<<30, true))
	require.Equal(t, uintptr(layout.LargePage), largest(layout.DirectBase, 0, 4<<30, false))
	require.Equal(t, uintptr(layout.LargePage), largest(layout.DirectBase+layout.LargePage, layout.LargePage, 4<<30, true))
	require.Equal(t, uintptr(pg), largest(layout.DirectBase+pg, pg, 4<<30, true))
	require.Equal(t, uintptr(pg), largest(layout.DirectBase, 0, layout.LargePage-pg, true))
}
