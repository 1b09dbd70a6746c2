//go:build explore

package mem

import (
	"errors"
	"fmt"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"

	"muster/kernel/explore"
	"muster/kernel/percpu"
)

// neighbours is a space with one area of four pages, of which two lie below the end of a page table, and two above. Two CPUs
// change two pages each at the same time.
type neighbours struct {
	*page
	s *Space
	ranges
}

// ranges is the code under test.
type ranges struct {
	begin func(s *Space, c *percpu.CPU, start, end uintptr) bool
	free  func(s *Space, c *percpu.CPU, level uint, start, end uintptr) uintptr
}

var shippingRanges = ranges{(*Space).BeginUnmap, (*Space).FreeTables}

const neighbour = 1<<30 + 1<<21 - 2*pg // the first page

func newNeighbours(t *testing.T, under ranges) *neighbours {
	m := &neighbours{page: newPage(2, shipping), s: wideSpace(t), ranges: under}
	pt, _ := hostTables(t, m.s, 12)
	frames.caching.Store(1)
	t.Cleanup(func() { frames.caching.Store(0) })
	m.s.number = 7
	reload = func(*percpu.CPU) {}
	invalidate = func(*percpu.CPU, uintptr) {}
	for _, c := range m.cpus {
		c.Space = uintptr(unsafe.Pointer(m.s))
		cacheOf(c).most = 100
	}
	if !m.s.Insert(cpu0, neighbour, neighbour+4*pg, ProtRead|ProtWrite) {
		panic("no memory for an area")
	}
	for i := range uintptr(4) {
		*pt.entry(neighbour + i*pg) = uint64(pt.page()) | m.s.pageBits(ProtRead|ProtWrite)
	}
	m.s.tables = 4
	m.s.charged.Store(4)
	return m
}

// unmap is munmap, with the code under test.
func (m *neighbours) unmap(c *percpu.CPU, start, end uintptr) {
	if !m.begin(m.s, c, start, end) {
		panic("no memory for an area")
	}
	m.s.Zap(c, start, end)
	m.s.EndUnmap(c, start)
	for level := uint(1); level <= 3; level++ {
		m.free(m.s, c, level, start, end)
	}
}

// protect is mprotect.
func (m *neighbours) protect(c *percpu.CPU, start, end uintptr) {
	if !m.s.SetProt(c, start, end, ProtRead) {
		panic("no memory for an area")
	}
	m.s.Reprotect(c, start, end)
}

// replace is mmap over an area.
func (m *neighbours) replace(c *percpu.CPU, start, end uintptr) {
	m.unmap(c, start, end)
	if !m.s.Insert(c, start, end, ProtRead|ProtWrite) {
		panic("no memory for an area")
	}
}

// doing is what one CPU does with its pages, and the rights that these have then: -1 for no area.
type doing struct {
	name string
	do   func(m *neighbours, c *percpu.CPU, start, end uintptr)
	prot int
	left uint64 // pages
}

var doings = []doing{
	{"munmap", (*neighbours).unmap, -1, 0},
	{"mprotect", (*neighbours).protect, int(ProtRead), 2},
	{"mmap", (*neighbours).replace, int(ProtRead | ProtWrite), 0},
}

// check compares areas, page tables and frames with what the two calls leave.
func (m *neighbours) check(low, high doing) error {
	want := [4]int{low.prot, low.prot, high.prot, high.prot}
	areas := 0
	for i := range uintptr(4) {
		got, dying := -1, false
		if a := m.s.find(neighbour + i*pg); a != nil {
			got, dying = int(a.prot), a.dying
		}
		if got != want[i] || dying {
			return fmt.Errorf("page %d has the rights %d, not %d", i, got, want[i])
		}
		if want[i] >= 0 && (i == 0 || want[i-1] != want[i]) {
			areas++
		}
	}
	charged := m.s.charged.Load()
	for _, c := range m.cpus {
		charged += c.Charge.Load()
	}
	switch {
	case m.s.count != areas:
		return fmt.Errorf("%d areas, not %d", m.s.count, areas)
	case m.s.tables != present(m.s.root, 3) || areas == 0 && m.s.tables != 0:
		return errors.New("a page table is left, or counted wrongly")
	case charged != low.left+high.left:
		return errors.New("a page is not counted")
	}
	return nil
}

// together searches two calls about neighbours.
func together(t *testing.T, preemptions int, under ranges, low, high doing) explore.Result {
	return explore.Run(explore.Model{Preemptions: preemptions, Setup: func() ([]func(), func() error) {
		m := newNeighbours(t, under)
		half := uintptr(neighbour + 2*pg)
		return []func(){
			func() { low.do(m, m.cpus[0], neighbour, half) },
			func() { high.do(m, m.cpus[1], half, half+2*pg) },
		}, func() error { return m.check(low, high) }
	}})
}

// Calls about neighbours at the same time leave what they leave one after the other: areas, page tables, and pages.
func TestNeighbours(t *testing.T) {
	for _, low := range doings {
		for _, high := range doings {
			r := together(t, explore.Bound(2, 3), shippingRanges, low, high)
			t.Log(low.name, high.name, r)
			require.NoError(t, r.Err)
			require.True(t, r.Complete)
		}
	}
}

// Negative control: the area comes apart in one step, and is marked in a later one.
func TestAreaApartTooEarlyIsFound(t *testing.T) {
	under := shippingRanges
	under.begin = func(s *Space, c *percpu.CPU, start, end uintptr) bool {
		var k apart
		if s.lockPart(c, &k, start, end) == nil {
			return false
		}
		s.mu.Unlock(c)
		s.mu.Lock(c)
		s.find(start).dying = true
		s.changes.Add(1)
		s.mu.Unlock(c)
		return true
	}
	r := together(t, 2, under, doings[0], doings[2])
	t.Log(r)
	require.Error(t, r.Err)
}

// Negative control: a table without an area is freed, whatever is in it.
func TestTableAboveAnotherIsFound(t *testing.T) {
	under := shippingRanges
	under.free = func(s *Space, c *percpu.CPU, level uint, start, end uintptr) uintptr {
		size := uintptr(1) << (12 + 9*level)
		s.mu.Lock(c)
		for at := roundDown(start, size); at < end; at += size {
			if e, _ := s.entryAtLevel(at, level); e != nil && *e&ptePresent != 0 && s.vacant(at, at+size) {
				word(e).Store(0)
				s.tables--
			}
		}
		s.mu.Unlock(c)
		return end
	}
	r := together(t, 2, under, doings[0], doings[0])
	t.Log(r)
	require.ErrorContains(t, r.Err, "page table")
}
