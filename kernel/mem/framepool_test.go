package mem

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"muster/kernel/cpu"
	"muster/kernel/layout"
	"muster/kernel/percpu"
	"muster/kernel/upcall"
)

// block is a block in use.
type block struct {
	first uint32
	order uint
}

// owners marks the frames of blocks in use, each in use once.
type owners struct {
	t    *testing.T
	m    *machine
	used []bool
	n    uint32
}

func (o *owners) set(b block, used bool) {
	for i := range uint32(1) << b.order {
		at := b.first + i - o.m.first
		if o.used[at] == used {
			require.Fail(o.t, "two blocks overlap", "%#x", b.first+i)
		}
		o.used[at] = used
	}
	if used {
		o.n += 1 << b.order
	} else {
		o.n -= 1 << b.order
	}
}

// Blocks of all orders and frames come and go at random. No two overlap, each is aligned,
// buddies that are free are joined, and no frame is lost. A block is refused only if there
// is none, or the reserve would suffer.
func TestBlocksAgainstModel(t *testing.T) {
	for seed := range uint64(12) {
		r := rand.New(rand.NewPCG(2, seed))
		total := 3000 + r.Uint32N(60000)
		m := newMachine(t, total, total/8)
		o := &owners{t: t, m: m, used: make([]bool, total)}
		var list []block
		for step := range 4000 {
			c := m.cpus[r.IntN(len(m.cpus))]
			order := uint(r.IntN(1 + r.IntN(13)))
			if r.IntN(100) < 35+30*(step/1000%2) {
				p, ok := AllocOrder(c, order)
				if order == 0 && r.IntN(2) == 0 && !ok {
					p, ok = user(c)
				}
				if !ok {
					for at := order; at <= MaxOrder && pool.unused.Load() > frames.reserve+2*cacheSlack+1<<order; at++ {
						require.Zero(t, bootZone.counts[at])
					}
					continue
				}
				b := block{uint32(p >> layout.PageShift), order}
				require.Zero(t, b.first&(1<<order-1), "aligned")
				o.set(b, true)
				list = append(list, b)
			} else if len(list) > 0 {
				i := r.IntN(len(list))
				b := list[i]
				list = slices.Delete(list, i, i+1)
				o.set(b, false)
				p := PhysAddr(b.first) << layout.PageShift
				if b.order == 0 {
					FreeFrame(c, p)
				} else if b.order <= 9 && r.IntN(4) == 0 {
					Divide(c, p, b.order)
					for i := range PhysAddr(1) << b.order {
						FreeFrame(c, p+i<<layout.PageShift)
					}
				} else {
					FreeOrder(c, p, b.order)
				}
			}
			require.EqualValues(t, total-o.n, m.free())
			if step%200 == 0 {
				require.Equal(t, m.free(), m.walk(t))
			}
		}
		for _, b := range list {
			if b.order == 0 {
				FreeFrame(m.cpus[0], PhysAddr(b.first)<<layout.PageShift)
			} else {
				FreeOrder(m.cpus[0], PhysAddr(b.first)<<layout.PageShift, b.order)
			}
		}
		require.EqualValues(t, total, m.walk(t))
	}
}

// When all frames are back, they are the blocks that memory began with, though they came
// back one by one and in no order.
func TestBlocksJoin(t *testing.T) {
	const total = 1 << 15
	m := newMachine(t, total, 2000)
	var list []PhysAddr
	for p, ok := AllocFrame(m.cpus[0]); ok; p, ok = AllocFrame(m.cpus[0]) {
		list = append(list, p)
	}
	require.Len(t, list, total)
	require.Zero(t, m.walk(t))
	rand.Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
	for i, p := range list {
		FreeFrame(m.cpus[i%len(m.cpus)], p)
	}
	for _, c := range m.cpus {
		GiveBack(c)
	}
	for range total / joinAtOnce { // what is in magazines joins when a block is needed
		if p, ok := AllocOrder(m.cpus[0], 15-1); ok {
			FreeOrder(m.cpus[0], p, 15-1)
			break
		}
	}
	require.EqualValues(t, total, m.walk(t))
	require.NotZero(t, bootZone.counts[14]+bootZone.counts[15], "half of memory in one block")
}

// A block that is larger than what is cut off a region at a time is cut off with its
// alignment; what lies before it is free. The frame table gets no page that it does not need.
func TestLargeBlock(t *testing.T) {
	const total = 3 << 15
	m := newMachine(t, total, 2000)
	p, ok := AllocFrame(m.cpus[0])
	require.True(t, ok)
	require.Equal(t, 1, m.tablePages())
	n := uint32(p >> layout.PageShift)
	require.Equal(t, m.first, n&^63, "the first frames")
	p, ok = AllocOrder(m.cpus[0], 15)
	require.True(t, ok)
	require.Equal(t, m.first+1<<15, uint32(p>>layout.PageShift))
	require.LessOrEqual(t, m.tablePages(), 1+5+1, "a page for each piece before the block, and for the block")
	m.walk(t)
	FreeOrder(m.cpus[0], p, 15)
	FreeFrame(m.cpus[0], PhysAddr(n)<<layout.PageShift)
	require.EqualValues(t, total, m.walk(t))
}

// A block that is freed twice, with another order, or frame by frame, is a panic.
func TestBlockFreedWrong(t *testing.T) {
	for name, free := range map[string]func(c *percpu.CPU, p PhysAddr){
		"twice": func(c *percpu.CPU, p PhysAddr) {
			FreeOrder(c, p, 5)
			FreeOrder(c, p, 5)
		},
		"larger":  func(c *percpu.CPU, p PhysAddr) { FreeOrder(c, p, 6) },
		"smaller": func(c *percpu.CPU, p PhysAddr) { FreeOrder(c, p, 4) },
		"first":   func(c *percpu.CPU, p PhysAddr) { FreeFrame(c, p) },
		"within":  func(c *percpu.CPU, p PhysAddr) { FreeFrame(c, p+layout.PageSize) },
		"half":    func(c *percpu.CPU, p PhysAddr) { FreeOrder(c, p+16*layout.PageSize, 4) },
		"divided twice": func(c *percpu.CPU, p PhysAddr) {
			Divide(c, p, 5)
			Divide(c, p, 5)
		},
	} {
		t.Run(name, func(t *testing.T) {
			m := newMachine(t, 40000, 9000)
			p, ok := AllocOrder(m.cpus[0], 5)
			require.True(t, ok)
			said := ""
			upcall.To.Panic = func(_ *percpu.CPU, _ *cpu.Frame, text string, _, _ uint64) {
				said = strings.Clone(text)
				panic("caught")
			}
			defer func() { upcall.To.Panic = nil }()
			require.Panics(t, func() { free(m.cpus[0], p) })
			require.Contains(t, said, "mem: frame freed twice")
		})
	}
}

// The last frames of a region are set aside for the pages of the table that describe it.
func TestRegions(t *testing.T) {
	for _, tc := range []struct{ start, end, pages uint32 }{
		{0, 1024, 1}, {1023, 1025, 2}, {5, 6, 1}, {0, 1 << 20, 1 << 10}, {512, 512 + 4096, 5},
	} {
		g := makeRegion(tc.start, tc.end)
		require.Equal(t, region{tc.start, tc.end - tc.pages, tc.end - tc.pages, tc.end}, g)
	}
}
