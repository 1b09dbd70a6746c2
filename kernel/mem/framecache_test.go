package mem

import (
	"math/rand/v2"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"

	"muster/kernel/cpu"
	"muster/kernel/layout"
	"muster/kernel/percpu"
	"muster/kernel/upcall"
)

// The allocator before it has any memory.
var framesZero, poolZero, nodesZero = frames, pool, nodes

// noMemory makes an allocator without any memory, with one zone, until the test ends.
func noMemory(t *testing.T) {
	frames, pool, nodes, bootZone = framesZero, poolZero, nodesZero, zone{}
	initZones()
	t.Cleanup(func() { frames, pool, nodes, bootZone = framesZero, poolZero, nodesZero, zone{} })
}

// machine is a frame allocator on the host and its CPUs. None was ever used.
type machine struct {
	cpus  [4]*percpu.CPU
	first uint32
	total uint32
	words []uint32
	fresh [1]freshRAM
	plan  *plan
	pages []bool  // of the frame table: those that have memory
	bytes uintptr // memory of the first frame
}

// newMachine makes an allocator of so many frames. None was ever used.
func newMachine(t *testing.T, total, reserve uint32) *machine {
	t.Helper()
	m := &machine{first: 1 << 20, total: total}
	m.words = hostWords(t, roundUp(uintptr(total), wordsPerPage))
	for i := range m.cpus {
		m.cpus[i] = &percpu.CPU{}
		m.cpus[i].Init(uint32(i))
	}
	noMemory(t)
	m.bytes = m.memory(t)
	m.begin(reserve)
	return m
}

// begin is the beginning: no memory was ever used.
func (m *machine) begin(reserve uint32) {
	clear(m.words)
	frames, pool, nodes, bootZone = framesZero, poolZero, nodesZero, zone{}
	initZones()
	frames.table = uintptr(unsafe.Pointer(&m.words[0])) - uintptr(m.first)*4
	frames.total, frames.reserve = uint64(m.total), uint64(reserve)
	frames.memory = m.bytes - uintptr(m.first)<<layout.PageShift
	pool.regions, pool.count = []region{{start: m.first, end: m.first + m.total, table: m.first + m.total, tableEnd: m.first + m.total}}, 1
	bootZone.fresh, bootZone.total = uintptr(unsafe.Pointer(&m.fresh)), uint64(m.total)
	bootZone.addFresh(freshRAM{m.first, m.first + m.total})
	clear(hostCaches[:])
	frames.caches = PerCPU(unsafe.Pointer(&hostCaches))
	sizeCaches(uint32(len(m.cpus)))
	beginCaching()
}

// hostWords returns the words of frames. They are not in the garbage collector's memory: the address of frame 0's word is far below
// them, and would be that of another object, or of a freed one.
func hostWords(t *testing.T, n uintptr) []uint32 {
	t.Helper()
	return unsafe.Slice((*uint32)(unsafe.Pointer(unsafe.SliceData(hostMemory(t, int(4*n))))), n)
}

// hostMemory returns memory of the host until the end of the test.
func hostMemory(t *testing.T, bytes int) []byte {
	t.Helper()
	b, err := syscall.Mmap(-1, 0, bytes, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_PRIVATE|syscall.MAP_ANON|syscall.MAP_NORESERVE)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, syscall.Munmap(b)) })
	return b
}

// memory makes the frames' memory, of which the pool uses the first bytes of free blocks.
// The table has a page for each of them.
func (m *machine) memory(t *testing.T) uintptr {
	t.Helper()
	b := hostMemory(t, len(m.words)*layout.PageSize)
	was := frameTablePages
	m.pages = make([]bool, len(m.words)/wordsPerPage)
	page := func(n uint32) uint32 { return (n - m.first) / wordsPerPage }
	frameTablePages.has = func(n uint32) bool { return page(n) < uint32(len(m.pages)) && m.pages[page(n)] }
	frameTablePages.add = func(n uint32) { m.pages[page(n)] = true }
	t.Cleanup(func() {
		frameTablePages = was
		runtime.KeepAlive(m) // the code under test knows its words by address
	})
	return uintptr(unsafe.Pointer(&b[0]))
}

// tablePages is how many pages of the frame table have memory.
func (m *machine) tablePages() (n int) {
	for _, has := range m.pages {
		if has {
			n++
		}
	}
	return n
}

// free is how many frames are free.
func (m *machine) free() (n uint64) {
	n = pool.unused.Load()
	for id := range m.cpus {
		n += cached(uint32(id))
	}
	return n
}

// walk counts the free frames one by one. Each is in one place.
func (m *machine) walk(t *testing.T) (n uint64) {
	t.Helper()
	seen := make([]bool, m.total)
	mark := func(f uint32) {
		if seen[f-m.first] {
			require.Fail(t, "a frame is free twice", "%#x", f)
		}
		seen[f-m.first] = true
		n++
	}
	list := func(first uint32, want uint64) {
		got := uint64(0)
		for f := first; f != frameNone; f = *frameWord(f) {
			mark(f)
			got++
		}
		require.Equal(t, want, got)
	}
	for node := range frames.nodes {
		before, z := n, zoneAt(node)
		m.walkZone(t, z, mark, list)
		require.Equal(t, z.unused.Load(), n-before)
	}
	require.Equal(t, pool.unused.Load(), n)
	for _, c := range m.cpus {
		k := cacheOf(c)
		list(k.first, uint64(k.n))
		list(k.away.first, uint64(k.away.n))
		list(k.zero.first, uint64(k.zero.n))
		spared := uint64(0)
		for _, s := range k.spare[:k.spares] {
			list(s.first, uint64(s.n))
			spared += uint64(s.n)
		}
		require.EqualValues(t, k.spared, spared)
	}
	return n
}

// walkZone marks the free frames of a zone. All are of its node.
func (m *machine) walkZone(t *testing.T, z *zone, mark func(uint32), list func(uint32, uint64)) {
	own := func(f uint32) {
		if !z.owns(f) {
			require.Fail(t, "a frame is in another node's zone", "%#x", f)
		}
	}
	for order := range z.blocks {
		l, blocks := &z.blocks[order], uint32(0)
		for k := l.First(); k != nil; k = l.Next(k) {
			f := blockOf(k)
			require.Zero(t, f&(1<<order-1), "aligned")
			require.True(t, frameTablePages.has(f))
			require.Equal(t, frameFree|uint32(order), *frameWord(f))
			if buddy := f ^ 1<<order; order < MaxOrder && frameTablePages.has(buddy) && z.owns(buddy) {
				require.NotEqual(t, frameFree|uint32(order), *frameWord(buddy), "buddies that are free join")
			}
			for i := range uint32(1) << order {
				mark(f + i)
				if i%wordsPerPage == 0 {
					own(f + i)
				}
				if w := *frameWord(f + i); i > 0 && w != frameNone {
					require.Fail(t, "a word within a free block", "%#x: %#x", f+i, w)
				}
			}
			blocks++
		}
		require.Equal(t, z.counts[order], blocks)
	}
	for f := z.depot; f != frameNone; f = keptAt(f).below {
		list(f, uint64(keptAt(f).n))
		for g := f; g != frameNone; g = *frameWord(g) {
			own(g)
		}
	}
	for at := z.at; at < z.freshCount; at++ {
		for f := z.freshAt(at).next; f < z.freshAt(at).end; f++ {
			mark(f)
			if f%wordsPerPage == 0 || f == z.freshAt(at).next {
				own(f)
			}
		}
	}
}

// user is AllocUser without the clearing, which takes long for many frames.
func user(c *percpu.CPU) (PhysAddr, bool) {
	if k := cacheOf(c); k.zero.n != 0 {
		return k.popZero(c), true
	}
	if cacheOf(c).first == frameNone && !Plenty(c) {
		return 0, false
	}
	return AllocFrame(c)
}

// Frames come and go at random on four CPUs. Each is in use once, none is lost, programs
// leave the reserve to the kernel, and an allocation fails only when no frame is left but in
// the caches of other CPUs.
func TestFramesAgainstModel(t *testing.T) {
	for seed := range uint64(8) {
		r := rand.New(rand.NewPCG(1, seed))
		total, reserve := 500+r.Uint32N(60000), uint32(0)
		reserve = total / (3 + r.Uint32N(5))
		m := newMachine(t, total, reserve)
		sizeAhead(uint32(len(m.cpus)))
		used := map[PhysAddr]bool{}
		var list []PhysAddr
		for step := range 2000 {
			c := m.cpus[r.IntN(len(m.cpus))]
			n := 1 + r.IntN(1+r.IntN(300))
			switch what := r.IntN(100); {
			case what < 30+40*(step/500%2):
				alloc, left := AllocFrame, uint64(0)
				if r.IntN(8) != 0 {
					alloc, left = user, uint64(reserve)
				}
				for range n {
					p, ok := alloc(c)
					if !ok {
						require.Zero(t, frames.caching.Load())
						require.Zero(t, cached(c.ID), "own frames are given back")
						require.LessOrEqual(t, pool.unused.Load(), left)
						break
					}
					if used[p] {
						require.Fail(t, "in use twice")
					}
					used[p] = true
					list = append(list, p)
				}
			case what < 95:
				var gone chain
				for range min(n, len(list)) {
					i := r.IntN(len(list))
					p := list[i]
					list[i] = list[len(list)-1]
					list = list[:len(list)-1]
					delete(used, p)
					if what%2 == 0 {
						FreeFrame(c, p)
					} else {
						gone.add(c, p)
					}
				}
				gone.release(c)
			case what < 98: // an idle CPU
				for range n {
					if !ClearAhead(c) {
						break
					}
				}
				require.LessOrEqual(t, cacheOf(c).zero.n, frames.ahead)
			default:
				GiveBack(c)
				require.Zero(t, cached(c.ID))
			}
			require.EqualValues(t, int(total)-len(list), m.free())
			if frames.caching.Load() != 0 {
				require.Greater(t, pool.unused.Load(), uint64(reserve+cacheSlack), "the kernel's reserve is in the pool")
			}
			if step%100 == 0 {
				require.Equal(t, m.free(), m.walk(t))
			}
		}
		for _, p := range list {
			FreeFrame(m.cpus[0], p)
		}
		require.EqualValues(t, total, m.walk(t))
	}
}

// CPUs of which each allocates and frees its own frames do not come to the pool.
func TestFramesStayWithTheirCPU(t *testing.T) {
	m := newMachine(t, 200000, 9000)
	c := m.cpus[1]
	own := map[PhysAddr]bool{}
	work := func(n int) {
		list := make([]PhysAddr, n)
		for i := range list {
			list[i], _ = AllocFrame(c)
			own[list[i]] = true
		}
		for _, p := range list {
			FreeFrame(c, p)
		}
	}
	for n := range 300 {
		work(n)
	}
	frames, unused := len(own), pool.unused.Load()
	bootZone.mu.Rank = 0 // a debug build panics if the zone is locked
	for range 1000 {
		work(1 + rand.IntN(299))
	}
	require.Len(t, own, frames)
	require.Equal(t, unused, pool.unused.Load())
}

// What other CPUs have cached is not there for an allocation that cannot stop half-way, until they give it back.
// Each request that is refused is counted, and no other.
func TestCachedFramesAreNotSpare(t *testing.T) {
	m := newMachine(t, 40000, 9000)
	a, b := m.cpus[0], m.cpus[1]
	p, _ := AllocFrame(b)
	FreeFrame(b, p)
	held := cached(b.ID)
	require.NotZero(t, held)
	before := Refusals()
	require.True(t, Plenty(a))
	require.True(t, Spares(a, 31000-held))
	require.Equal(t, before, Refusals())
	require.False(t, Spares(a, 31001-held))
	require.Equal(t, before+1, Refusals())
	GiveBack(b)
	require.True(t, Spares(a, 31000))
	_, ok := AllocOrder(a, MaxOrder)
	require.False(t, ok)
	require.Equal(t, before+2, Refusals())
}

// A frame that is freed twice is a panic, wherever it is meanwhile.
func TestFrameFreedTwice(t *testing.T) {
	for name, between := range map[string]func(c *percpu.CPU){
		"at once":     func(*percpu.CPU) {},
		"in the pool": GiveBack,
		"below others": func(c *percpu.CPU) {
			for range 20 {
				p, _ := AllocFrame(c)
				defer FreeFrame(c, p)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			m := newMachine(t, 40000, 9000)
			c := m.cpus[2]
			p, _ := AllocFrame(c)
			q, _ := AllocFrame(c)
			FreeFrame(c, p)
			FreeFrame(c, q)
			between(c)
			said := ""
			upcall.To.Panic = func(_ *percpu.CPU, _ *cpu.Frame, text string, addr, _ uint64) {
				require.EqualValues(t, p, addr)
				said = strings.Clone(text)
				panic("caught")
			}
			defer func() { upcall.To.Panic = nil }()
			for _, free := range []func(){
				func() { FreeFrame(c, p) },
				func() { var l chain; l.add(c, p) },
			} {
				said = ""
				require.Panics(t, free)
				require.Contains(t, said, "mem: frame freed twice")
			}
		})
	}
}

// The kernel's own runtime leaves the core what it needs, and the core can have it.
func TestRuntimeLeavesFloor(t *testing.T) {
	m := newMachine(t, 40000, 9000)
	c := m.cpus[0]
	n := uint64(0)
	for frames.caching.Load() != 0 || leavesFloor(c) { // as AllocRuntime does
		_, ok := AllocFrame(c)
		require.True(t, ok)
		n++
	}
	require.EqualValues(t, 40000-runtimeFloor, n)
	require.False(t, Plenty(c))
	c.Urgent = 1
	require.True(t, leavesFloor(c))
	c.Urgent = 0
	for _, ok := AllocFrame(c); ok; _, ok = AllocFrame(c) {
		n++
	}
	require.EqualValues(t, 40000, n)
}

// With many CPUs or little memory, the caches are small.
func TestCachesAreASmallPart(t *testing.T) {
	noMemory(t)
	for _, tc := range []struct {
		megabytes uint64
		cpus      uint32
		full      uint32
	}{
		{64, 1, 32}, {64, 4, 8}, {512, 4, 64}, {16 << 10, 64, 64}, {2 << 10, 512, 8}, {1 << 20, 1, 64},
	} {
		frames.total = tc.megabytes << 20 / layout.PageSize
		sizeCaches(tc.cpus)
		require.Equal(t, tc.full, frames.full, "%+v", tc)
	}
}

// A program that brings in a page and unmaps a chunk, in turns, gives back larger and larger magazines. The next CPU that
// allocates does not get all of that.
func TestMagazinesStaySmall(t *testing.T) {
	m := newMachine(t, 100000, 6144)
	b := m.cpus[1]
	var held []PhysAddr
	for p, ok := user(b); ok; p, ok = user(b) {
		held = append(held, p)
	}
	for len(held) > chunk {
		if p, ok := user(b); ok {
			held = append(held, p)
		}
		var gone chain
		for _, p := range held[len(held)-chunk:] {
			gone.add(b, p)
		}
		held = held[:len(held)-chunk]
		gone.release(b)
	}
	for _, c := range m.cpus {
		for range 3 * chunk {
			_, ok := user(c)
			require.True(t, ok)
			require.LessOrEqual(t, cached(c.ID), uint64(2*chunk+(maxSpares+3)*frames.full))
		}
	}
	require.EqualValues(t, int(m.total)-len(held)-len(m.cpus)*3*chunk, m.walk(t))
}
