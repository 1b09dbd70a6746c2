package mem

import (
	"math/rand/v2"
	"runtime"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"

	"muster/kernel/percpu"
)

// Three CPUs have page faults, and areas come, go and change their rights, at random. What a
// CPU remembers of an area never lets a page in that the areas do not allow, nor says of an address
// or a page what is not so; each page has the rights of its area, and the pages are counted.
func TestFaultsAgainstModel(t *testing.T) {
	const first, n, cpus = 1 << 30, 40, 3
	r := rand.New(rand.NewPCG(7, 8))
	quick, looked := 0, 0
	for range 40 {
		s := wideSpace(t)
		pt, _ := hostTables(t, s, 8+cpus*n)
		s.number = 9
		frames.caching.Store(1)
		t.Cleanup(func() { frames.caching.Store(0) })
		list := make([]*percpu.CPU, cpus)
		var set [1]uint64
		s.own.Init(uintptr(unsafe.Pointer(&set)), cpus)
		t.Cleanup(func() { runtime.KeepAlive(&set) })
		for i := range list {
			c := &percpu.CPU{}
			c.Init(uint32(i))
			c.Space = uintptr(unsafe.Pointer(s))
			cacheOf(c).most = 1 << 20
			for range n {
				FreeFrame(c, pt.page())
			}
			list[i] = c
		}
		charged := func() (sum uint64) {
			sum = s.charged.Load()
			for _, c := range list {
				sum += c.Charge.Load()
			}
			return sum
		}
		for i := range uintptr(n) {
			pt.entry(first + i*pg)
		}
		s.tables = 3
		var area [n]int // rights, -1 for free
		var there [n]bool
		for i := range area {
			area[i] = -1
		}
		for range 400 {
			c := list[r.IntN(cpus)]
			at := r.IntN(n)
			size := 1 + r.IntN(n-at)
			start, end := first+uintptr(at)*pg, first+uintptr(at+size)*pg
			prot := Prot(r.IntN(4))
			switch op := r.IntN(20); {
			case op == 0 && s.Available(c, start, end):
				require.True(t, s.Insert(c, start, end, prot))
				for i := at; i < at+size; i++ {
					area[i] = int(prot)
				}
			case op == 1:
				for {
					a, b, ok := s.NextArea(c, start, end)
					if !ok {
						break
					}
					require.True(t, s.BeginUnmap(c, a, b))
					s.Zap(c, a, b)
					s.EndUnmap(c, a)
				}
				for i := at; i < at+size; i++ {
					area[i], there[i] = -1, false
				}
			case op == 2:
				for from := start; from < end; {
					a, b, ok := s.NextArea(c, from, end)
					if !ok {
						break
					}
					require.True(t, s.SetProt(c, a, b, prot))
					s.Reprotect(c, a, b)
					from = b
				}
				for i := at; i < at+size; i++ {
					if area[i] >= 0 {
						area[i] = int(prot)
					}
				}
			case op == 3:
				s.Zap(c, start, end)
				clear(there[at : at+size])
			case op == 4:
				if s.known(c, start) != 0 {
					looked++
				}
				from, to, ok := s.NextPart(c, start, end)
				i := at
				for i < at+size && area[i] < 0 {
					i++
				}
				require.Equal(t, i < at+size, ok)
				if ok {
					require.Equal(t, first+uintptr(i)*pg, from)
					require.Greater(t, to, from)
					require.LessOrEqual(t, to, end)
					for p := i; p < int((to-first)/pg); p++ {
						require.Equal(t, area[i], area[p], "one area")
					}
					_, whole, _ := s.NextArea(c, start, end)
					require.GreaterOrEqual(t, whole, to)
					w := int((whole - first) / pg)
					require.True(t, whole == end || area[w] != area[i], "NextArea finds all of an area")
				}
			case op == 5:
				if s.known(c, start) != 0 {
					looked++
				}
				bits, pages := s.Present(c, start, size)
				require.Equal(t, area[at] >= 0, pages > 0)
				require.LessOrEqual(t, pages, size)
				require.Zero(t, bits>>pages)
				for i := range pages {
					require.GreaterOrEqual(t, area[at+i], 0)
					require.Equal(t, there[at+i], bits>>i&1 != 0)
				}
				require.True(t, pages == size || area[at+pages] < 0 || s.known(c, start) != 0, "the whole area, or what the CPU remembers")
			default:
				need := [2]Prot{ProtRead, ProtWrite}[r.IntN(2)]
				page, ok := AllocFrame(c)
				require.True(t, ok)
				got := Resolved
				if s.quick(c, start, need, &page) {
					quick++
				} else {
					s.mu.Lock(c)
					got = s.resolve(c, start, need, &page)
					s.mu.Unlock(c)
				}
				if page != 0 {
					FreeFrame(c, page)
				}
				switch {
				case area[at] < 0:
					require.Equal(t, Unmapped, got)
				case Prot(area[at])&need == 0:
					require.Equal(t, Forbidden, got)
				default:
					require.Equal(t, Resolved, got)
					there[at] = true
				}
			}
			held := uint64(0)
			for i := range n {
				e := *entryOf(s.root, first+uintptr(i)*pg)
				require.Equal(t, there[i], e != 0)
				if there[i] {
					held++
					require.Equal(t, s.pageBits(Prot(area[i])), e&^uint64(pteAddr))
				}
			}
			require.Equal(t, held, charged())
		}
	}
	require.Greater(t, quick, 200, "page faults without the lock")
	require.Greater(t, looked, 50, "areas that a CPU remembers")
}

// Page tables stay for a CPU that runs a thread of the space, and for each CPU those of the kernel's space.
func TestPinned(t *testing.T) {
	s, o, c := &Space{user: true}, &Space{user: true}, &percpu.CPU{}
	require.False(t, s.pinned(c), "no space is loaded")
	require.True(t, (&Space{}).pinned(c), "the kernel's space is always loaded")
	c.Space = uintptr(unsafe.Pointer(s))
	require.True(t, s.pinned(c))
	require.False(t, o.pinned(c), "another space is loaded")
	c.BeLazy()
	require.False(t, s.pinned(c), "a lazy CPU may be made to leave the space")
	runtime.KeepAlive(s)
}
