package memmap

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"muster/kernel/abi"
	"muster/kernel/layout"
)

func ram(start, n uint64) abi.Region { return abi.Region{Start: start, Length: n, Type: abi.RegionRAM} }

func other(start, n uint64, kind uint32) abi.Region {
	return abi.Region{Start: start, Length: n, Type: kind}
}

// build is Build on a list.
func build(m *Map, list []abi.Region, limit uint64) bool {
	return m.Build(len(list), func(i int) abi.Region { return list[i] }, limit)
}

func TestBuild(t *testing.T) {
	const mb = 1 << 20
	tests := map[string]struct {
		entries []abi.Region
		want    []Range
		ignored int
	}{
		"usual PC": {[]abi.Region{ram(0, 0x9fc00), other(0x9fc00, 0x400, 2), other(0xf0000, 0x10000, 2), ram(mb, 127*mb)},
			[]Range{{0, 0x9f000}, {mb, 128 * mb}}, 0},
		"not sorted":               {[]abi.Region{ram(64*mb, mb), ram(mb, mb)}, []Range{{mb, 2 * mb}, {64 * mb, 65 * mb}}, 0},
		"twice the same":           {[]abi.Region{ram(mb, mb), ram(mb, mb)}, []Range{{mb, 2 * mb}}, 0},
		"overlapping":              {[]abi.Region{ram(2*mb, 2*mb), ram(mb, 2*mb)}, []Range{{mb, 4 * mb}}, 0},
		"one inside another":       {[]abi.Region{ram(mb, 8*mb), ram(2*mb, mb)}, []Range{{mb, 9 * mb}}, 0},
		"neighbours":               {[]abi.Region{ram(mb, mb), ram(2*mb, mb)}, []Range{{mb, 3 * mb}}, 0},
		"neighbours inside a page": {[]abi.Region{ram(mb, 0x1800), ram(mb+0x1800, 0x1800)}, []Range{{mb, mb + 0x3000}}, 0},
		"reserved inside RAM": {[]abi.Region{ram(mb, 8*mb), other(2*mb+1, 1, 2)},
			[]Range{{mb, 2 * mb}, {2*mb + 0x1000, 9 * mb}}, 0},
		"reserved first":    {[]abi.Region{other(2*mb, mb, 3), ram(mb, 8*mb)}, []Range{{mb, 2 * mb}, {3 * mb, 9 * mb}}, 0},
		"unknown type":      {[]abi.Region{ram(mb, 2*mb), other(2*mb, mb, 77)}, []Range{{mb, 2 * mb}}, 0},
		"type 0":            {[]abi.Region{ram(mb, 2*mb), other(2*mb, mb, 0)}, []Range{{mb, 2 * mb}}, 0},
		"less than a page":  {[]abi.Region{ram(0x1800, 0x1000), ram(0x5001, 0xffe)}, nil, 0},
		"no length":         {[]abi.Region{ram(mb, 0), other(2*mb, 0, 2), ram(mb, 2*mb)}, []Range{{mb, 3 * mb}}, 2},
		"wraps":             {[]abi.Region{ram(mb, mb), ram(1<<63, 1<<63+2*mb), other(mb, ^uint64(0), 2)}, []Range{{mb, 2 * mb}}, 2},
		"up to the last":    {[]abi.Region{ram(mb, 8*mb), other(4*mb, 1<<64-4*mb, 2)}, []Range{{mb, 4 * mb}}, 0},
		"beyond the limit":  {[]abi.Region{ram(1<<39, 1<<40), ram(1<<41, 1)}, []Range{{1 << 39, 1 << 40}}, 0},
		"nothing":           {nil, nil, 0},
		"all of it removed": {[]abi.Region{ram(mb, mb), other(0, 1<<40, 2)}, nil, 0},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			var m Map
			require.True(t, build(&m, tc.entries, 1<<40))
			require.True(t, slices.Equal(tc.want, m.RAM.Pieces()), "%x", m.RAM.Pieces())
			require.Equal(t, m.RAM.Pieces(), m.Free.Pieces())
			require.Equal(t, tc.ignored, m.Ignored)
		})
	}
}

func TestLimit(t *testing.T) {
	var m Map
	require.True(t, build(&m, []abi.Region{ram(0, 1<<50)}, 1<<60))
	require.Equal(t, []Range{{0, Limit}}, m.RAM.Pieces(), "what frame numbers cannot express")
}

func TestOccupy(t *testing.T) {
	var m Map
	require.True(t, build(&m, []abi.Region{ram(0, 0x10000)}, Limit))
	require.True(t, m.Occupy(Range{0x1fff, 0x2001}))
	require.True(t, m.Occupy(Range{0x5000, 0x5000}), "nothing there")
	require.True(t, m.Occupy(Range{0x6000, 0x5000}), "nothing there either")
	require.True(t, m.Occupy(Range{1 << 63, 1<<64 - 1}))
	require.True(t, m.Occupy(Range{0xf001, 1<<64 - 1}))
	require.Equal(t, []Range{{0, 0x1000}, {0x3000, 0xf000}}, m.Free.Pieces())
	require.Equal(t, []Range{{0, 0x10000}}, m.RAM.Pieces(), "RAM stays RAM")
	require.Equal(t, Range{0x3000, 0xf000}, m.Largest(0, 1<<32))
	require.Equal(t, Range{0x3000, 0x3800}, m.Largest(0x1000, 0x3800))
	require.Zero(t, m.Largest(0x10000, 1<<32).Len())
}

// The range that a reset leaves as it is: the same for the same map, neither at an end of
// RAM nor where something is.
func TestAside(t *testing.T) {
	const mb, n = 1 << 20, 0x30000
	tests := map[string]struct {
		entries  []abi.Region
		occupied []Range
		want     uint64 // 0: none
	}{
		"64 MB":                    {[]abi.Region{ram(0, 0x9f000), ram(mb, 63*mb-0x20000)}, nil, 16 * mb},
		"256 MB":                   {[]abi.Region{ram(0, 0x9f000), ram(mb, 255*mb-0x20000)}, nil, 64 * mb},
		"256 MB, none of it taken": {[]abi.Region{ram(0, 256*mb)}, nil, 128 * mb},
		"2 GB and a hole":          {[]abi.Region{ram(mb, 2047*mb), other(1024*mb, 0x1000, 2)}, nil, 512 * mb},
		"3 GB, and more above":     {[]abi.Region{ram(mb, 3071*mb), ram(4096*mb, 4096*mb)}, nil, 1024 * mb},
		"a module there":           {[]abi.Region{ram(mb, 254*mb)}, []Range{{60 * mb, 64*mb + 1}}, 32 * mb},
		"modules everywhere":       {[]abi.Region{ram(mb, 255*mb)}, []Range{{2 * mb, 200 * mb}}, 0},
		"only above 4 GB":          {[]abi.Region{ram(4096*mb, 4096*mb)}, nil, 0},
		"48 MB":                    {[]abi.Region{ram(mb, 47*mb)}, nil, 16 * mb},
		"less":                     {[]abi.Region{ram(mb, 30*mb)}, nil, 0},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			var m Map
			require.True(t, build(&m, tc.entries, Limit))
			for _, r := range tc.occupied {
				require.True(t, m.Occupy(r))
			}
			before := m.RAM.Bytes()
			r, ok := m.Aside(n)
			require.Equal(t, tc.want != 0, ok)
			if !ok {
				require.Equal(t, before, m.RAM.Bytes())
				return
			}
			require.Equal(t, Range{tc.want, tc.want + n}, r)
			require.Equal(t, before-n, m.RAM.Bytes())
			for _, s := range []*Set{&m.RAM, &m.Free} {
				require.False(t, s.Has(Range{r.Start, r.Start + 0x1000}))
				require.False(t, s.Has(Range{r.End - 0x1000, r.End}))
			}
		})
	}
}

// A set that is full refuses another piece and stays as it is.
func TestFull(t *testing.T) {
	var m Map
	var list []abi.Region
	for i := range uint64(MaxPieces) {
		list = append(list, ram(i*0x4000, 0x3000))
	}
	require.True(t, build(&m, list, Limit))
	full := m
	require.False(t, m.Occupy(Range{0x1000, 0x2000}), "it would make one piece more")
	require.False(t, m.RAM.Add(Range{1 << 40, 1<<40 + 1}))
	require.True(t, full == m)
	require.True(t, m.Occupy(Range{0, 0x1000}))
	require.True(t, m.RAM.Add(Range{0x3000, 0x4000}), "it joins two")
	require.Len(t, m.RAM.Pieces(), MaxPieces-1)
	m = Map{}
	require.False(t, build(&m, append(list, ram(1<<40, 0x1000)), Limit))
	m = Map{}
	require.False(t, build(&m, append(list, other(0x1000, 0x1000, 2)), Limit))
}

// The pages of the reference: window of them from address 0 on.
const window = 12

// paint is the slow reference: a byte for each byte of the window. It returns which
// pages are RAM, and which of them are free.
func paint(list []abi.Region, occupied []Range) (ramPages, free [window]bool) {
	const isRAM, isOther, isTaken = 1, 2, 4
	var bytes [window * layout.PageSize]uint8
	for _, e := range list {
		if e.Length == 0 || e.Start+(e.Length-1) < e.Start {
			continue
		}
		mark := uint8(isOther)
		if e.Type == abi.RegionRAM {
			mark = isRAM
		}
		for a := e.Start; a < uint64(len(bytes)) && a-e.Start < e.Length; a++ {
			bytes[a] |= mark
		}
	}
	for _, r := range occupied {
		for a := r.Start; a < r.End && a < uint64(len(bytes)); a++ {
			bytes[a] |= isTaken
		}
	}
	for p := range window {
		all, any := uint8(0xff), uint8(0)
		for _, b := range bytes[p*layout.PageSize : (p+1)*layout.PageSize] {
			all &= b
			any |= b
		}
		ramPages[p] = all&isRAM != 0 && any&isOther == 0
		free[p] = ramPages[p] && any&isTaken == 0
	}
	return ramPages, free
}

// pagesOf returns which pages of the window are in s.
func pagesOf(s *Set) (in [window]bool) {
	for _, r := range s.Pieces() {
		for a := r.Start; a < r.End && a < window*layout.PageSize; a += layout.PageSize {
			in[a/layout.PageSize] = true
		}
	}
	return in
}

// code is what makes a map: the shipped functions, or wrong ones.
type code struct {
	build  func(m *Map, list []abi.Region, limit uint64) bool
	occupy func(m *Map, r Range) bool
}

var shipped = code{build, (*Map).Occupy}

// differs makes a map, and says where it differs from the reference, "" for nowhere.
func (f code) differs(t *testing.T, m *Map, list []abi.Region, occupied []Range) string {
	t.Helper()
	require.True(t, f.build(m, list, Limit))
	for _, r := range occupied {
		require.True(t, f.occupy(m, r))
	}
	ram, free := paint(list, occupied)
	switch {
	case ram != pagesOf(&m.RAM):
		return fmt.Sprintf("RAM of %x", list)
	case free != pagesOf(&m.Free):
		return fmt.Sprintf("free of %x but %x", list, occupied)
	}
	return ""
}

// check compares Build and Occupy with the reference, and checks what holds for every
// set.
func check(t *testing.T, list []abi.Region, occupied []Range) {
	t.Helper()
	var m Map
	require.Empty(t, shipped.differs(t, &m, list, occupied))
	for _, s := range []*Set{&m.RAM, &m.Free} {
		end, first := uint64(0), true
		for _, r := range s.Pieces() {
			require.Less(t, r.Start, r.End)
			require.Zero(t, r.Start%layout.PageSize+r.End%layout.PageSize)
			require.True(t, first || r.Start > end, "sorted, and a gap between two")
			require.True(t, m.RAM.Has(r))
			require.LessOrEqual(t, r.End, uint64(Limit))
			end, first = r.End, false
		}
	}
	// The order of the entries makes no difference.
	back := slices.Clone(list)
	slices.Reverse(back)
	var again Map
	require.True(t, build(&again, back, Limit))
	require.Equal(t, m.RAM.Pieces(), again.RAM.Pieces())
}

// entries makes a map of bytes: each entry takes 5 of them. Addresses lie in the window
// and a little beyond, near the ends of pages more often than elsewhere.
func entries(data []byte) (list []abi.Region, occupied []Range) {
	number := func(b []byte) uint64 {
		v := uint64(binary.LittleEndian.Uint16(b))
		return v>>3%(window+2)*layout.PageSize + [8]uint64{0, 0, 0, 1, layout.PageSize - 1, 0x800, 0x10, 0}[v&7]
	}
	for ; len(data) >= 5 && len(list) < 64; data = data[5:] {
		start, n := number(data), number(data[2:])
		switch k := data[4] % 16; {
		case k < 8:
			list = append(list, ram(start, n))
		case k < 12:
			list = append(list, other(start, n, uint32(k)))
		case k < 14:
			occupied = append(occupied, Range{start, start + n})
		case k < 15:
			list = append(list, ram(start, ^uint64(0)-n)) // wraps, for most
		default:
			list = append(list, other(start, -start+n, abi.RegionReserved)) // ends at 2^64, or wraps
		}
	}
	return list, occupied
}

// randomMaps calls f with the maps of TestAgainstReference.
func randomMaps(f func(list []abi.Region, occupied []Range)) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 2000 {
		data := make([]byte, 5*(1+r.IntN(12)))
		for i := range data {
			data[i] = byte(r.Uint32())
		}
		f(entries(data))
	}
}

func TestAgainstReference(t *testing.T) {
	randomMaps(func(list []abi.Region, occupied []Range) { check(t, list, occupied) })
}

// On the same maps the reference finds wrong code: control of the test above.
func TestReferenceNotices(t *testing.T) {
	for name, f := range map[string]code{
		"firmware's RAM entries as they are, as this kernel once took them": {func(m *Map, list []abi.Region, limit uint64) bool {
			return build(m, slices.DeleteFunc(slices.Clone(list), func(e abi.Region) bool { return e.Type != abi.RegionRAM }), limit)
		}, (*Map).Occupy},
		"the first of overlapping entries wins": {func(m *Map, list []abi.Region, limit uint64) bool {
			var kept []abi.Region
			for _, e := range list {
				if !slices.ContainsFunc(kept, func(k abi.Region) bool { return k.Start < e.Start+e.Length && e.Start < k.Start+k.Length }) {
					kept = append(kept, e)
				}
			}
			return build(m, kept, limit)
		}, (*Map).Occupy},
		"a page that is occupied in part stays free": {build, func(m *Map, r Range) bool {
			r.Start = (r.Start + layout.PageSize - 1) / layout.PageSize * layout.PageSize
			r.End = r.End / layout.PageSize * layout.PageSize
			return r.Start >= r.End || m.Occupy(r)
		}},
	} {
		t.Run(name, func(t *testing.T) {
			found := 0
			randomMaps(func(list []abi.Region, occupied []Range) {
				if f.differs(t, &Map{}, list, occupied) != "" {
					found++
				}
			})
			require.NotZero(t, found)
			t.Logf("wrong for %d of 2000 maps", found)
		})
	}
}

func FuzzBuild(f *testing.F) {
	f.Add([]byte{0, 0, 0x40, 0, 0, 0x10, 0, 8, 0, 9})
	f.Add([]byte{3, 0, 0x44, 0, 1, 0, 0, 0x40, 0, 1, 0x10, 0, 8, 0, 15, 0x18, 0, 4, 0, 12})
	f.Fuzz(func(t *testing.T, data []byte) {
		list, occupied := entries(data)
		check(t, list, occupied)
	})
}

// Maps that are full of pieces.
func TestManyPieces(t *testing.T) {
	var list []abi.Region
	for i := range uint64(900) {
		list = append(list, ram((i*7919%900)*0x5000+0x800, 0x3000))
	}
	var m Map
	require.True(t, build(&m, list, Limit))
	require.Len(t, m.RAM.Pieces(), 900)
	require.Equal(t, uint64(900*0x2000), m.RAM.Bytes())
	require.True(t, slices.IsSortedFunc(m.RAM.Pieces(), func(a, b Range) int { return int(a.Start) - int(b.Start) }))
}
