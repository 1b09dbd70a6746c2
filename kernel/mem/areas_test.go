package mem

import (
	"math/rand/v2"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"

	"muster/kernel/layout"
	"muster/kernel/list"
	"muster/kernel/lock"
	"muster/kernel/percpu"
)

var (
	arena [2000][16]uint64 // the memory for areas on the host
	cpu0  = &percpu.CPU{}
)

// hostSpace is a space of 256 pages without page tables.
func hostSpace(t *testing.T) *Space {
	t.Helper()
	areaCache = Cache{}
	areaCache.Init(unsafe.Sizeof(Area{}))
	require.Equal(t, unsafe.Sizeof(arena[0]), areaCache.size)
	for i := range arena {
		areaCache.Free(cpu0, unsafe.Pointer(&arena[i]))
	}
	areaCache.inUse = 0
	s := &Space{}
	s.mu.Rank = lock.RankSpace
	s.areas.Update = updateArea
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
			require.True(t, s.BeginUnmap(cpu0, start, end))
			for p := start; p < end; p += pg {
				if a := s.find(p); a != nil {
					require.True(t, a.dying)
				}
			}
			s.EndUnmap(cpu0, start, end)
			m.set(start, end, 0)
		case 4: // change rights of what is there
			if inside && s.Covered(cpu0, start, end) {
				prot := uint8(rng.IntN(3))
				require.True(t, s.SetProt(cpu0, start, end, Prot(prot)))
				m.set(start, end, prot+1)
			}
		}
		if step%20 == 0 {
			m.check(t, s)
		}
	}
	require.True(t, s.BeginUnmap(cpu0, s.from, s.to))
	s.EndUnmap(cpu0, s.from, s.to)
	require.Nil(t, s.areas.Root)
	require.Zero(t, areaCache.inUse, "all areas are given back")
	require.Zero(t, s.count)
}

func TestNoMemoryForAreas(t *testing.T) {
	s := hostSpace(t)
	require.True(t, s.Insert(cpu0, 20*pg, 40*pg, ProtRead))
	areaCache.free = list.Stack{}
	frames.mu.Rank = lock.RankFrames
	require.False(t, s.Insert(cpu0, 50*pg, 60*pg, ProtRead), "no node, no change")
	require.False(t, s.BeginUnmap(cpu0, 25*pg, 30*pg))
	require.False(t, s.SetProt(cpu0, 25*pg, 30*pg, 0))
	require.True(t, s.Covered(cpu0, 20*pg, 40*pg))
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

func TestFirstUse(t *testing.T) {
	b := &Boot{InUse: []Range{{0x5000, 0x6800}, {0x2100, 0x2200}, {0, 0}}, Early: Range{0x9000, 0xa000}}
	require.Equal(t, Range{0x2000, 0x3000}, firstUse(Range{0x1000, 0x10000}, b), "whole pages")
	require.Equal(t, Range{0x5000, 0x7000}, firstUse(Range{0x3000, 0x10000}, b))
	require.Equal(t, Range{0x6000, 0x7000}, firstUse(Range{0x6000, 0x10000}, b), "cut to begin within the range")
	require.Equal(t, Range{0x9000, 0xa000}, firstUse(Range{0x7000, 0x10000}, b), "the early memory is in use")
	require.Equal(t, Range{0x8000, 0x8000}, firstUse(Range{0x7000, 0x8000}, b), "none")
}
