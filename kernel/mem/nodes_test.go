package mem

import (
	"math/rand/v2"
	"slices"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"

	"muster/kernel/abi"
	"muster/kernel/percpu"
)

// plan is a NodePlan with its memory.
type plan struct {
	starts []abi.NodeStart
	order  []uint8
	zones  []byte
	fresh  []freshRAM
}

// node returns the plain model's node of a frame.
func (p *plan) node(f uint32) (node uint32) {
	for _, s := range p.starts {
		if s.Frame <= f {
			node = s.Node
		}
	}
	return node
}

// nodes is how many nodes there are.
func (p *plan) nodes() int {
	n := 0
	for n*n < len(p.order) {
		n++
	}
	return n
}

// nearest returns the nodes in the order in which a CPU looks for frames.
func (p *plan) nearest(c *percpu.CPU) []uint8 {
	n, home := p.nodes(), max(int(c.Home), 1)-1
	return p.order[home*n:][:n]
}

func (p *plan) raw() *NodePlan {
	n := uint32(p.nodes())
	p.zones = make([]byte, uintptr(n)*zoneBytes)
	p.fresh = make([]freshRAM, bootZone.freshCount+uint32(len(p.starts)))
	return &NodePlan{Starts: uintptr(unsafe.Pointer(&p.starts[0])), Count: uint32(len(p.starts)),
		Order: uintptr(unsafe.Pointer(&p.order[0])), Nodes: n,
		zones: uintptr(unsafe.Pointer(&p.zones[0])), fresh: uintptr(unsafe.Pointer(&p.fresh[0]))}
}

// divide gives the machine nodes, and its CPUs places in them.
func (m *machine) divide(t *testing.T, p *plan) {
	m.plan = p
	t.Cleanup(func() { m.plan = nil }) // the code under test knows it by address
	require.True(t, InitNodes(m.cpus[0], p.raw()))
	for i, c := range m.cpus {
		c.Home = uint8(i%p.nodes() + 1)
	}
}

// randomPlan makes nodes, of which some may have no memory, and the last range may lie beyond it.
func randomPlan(r *rand.Rand, m *machine, nodes int) *plan {
	p := &plan{starts: []abi.NodeStart{{Node: r.Uint32N(uint32(nodes))}}}
	at := m.first
	for range r.IntN(3 * nodes) {
		at += (1 + r.Uint32N(m.total/wordsPerPage/uint32(nodes)+2)) * wordsPerPage
		p.starts = append(p.starts, abi.NodeStart{Frame: at, Node: r.Uint32N(uint32(nodes))})
	}
	for node := range nodes {
		row := r.Perm(nodes)
		i := slices.Index(row, node)
		row[0], row[i] = row[i], row[0]
		for _, n := range row {
			p.order = append(p.order, uint8(n))
		}
	}
	return p
}

// Memory that a boot has used, in frames and in blocks, is divided among nodes. Each node has the frames that are its own
// and free. Then CPUs of all nodes take frames until there are none, and give them back, in any order. While the CPUs cache
// none, each gets a frame of the nearest node that has some. Nothing is lost, and all is back with its node.
func TestNodesAgainstModel(t *testing.T) {
	for seed := range uint64(10) {
		r := rand.New(rand.NewPCG(3, seed))
		m := newMachine(t, 6000+r.Uint32N(60000), 600)
		used := map[uint32]bool{}
		var list []block
		take := func(c *percpu.CPU, order uint) bool {
			p, ok := PhysAddr(0), false
			if order == 0 {
				p, ok = AllocFrame(c)
			} else {
				p, ok = AllocOrder(c, order)
			}
			if ok {
				b := block{uint32(p >> 12), order}
				for i := range uint32(1) << order {
					require.False(t, used[b.first+i])
					used[b.first+i] = true
				}
				list = append(list, b)
			}
			return ok
		}
		drop := func(c *percpu.CPU, i int) {
			b := list[i]
			list[i] = list[len(list)-1]
			list = list[:len(list)-1]
			for i := range uint32(1) << b.order {
				delete(used, b.first+i)
			}
			switch p := PhysAddr(b.first) << 12; {
			case b.order == 0:
				FreeFrame(c, p)
			case b.order <= 9 && r.IntN(3) == 0:
				Divide(c, p, b.order)
				var gone chain
				for f := range PhysAddr(1) << b.order {
					gone.add(c, p+f<<12)
				}
				gone.release(c)
			default:
				FreeOrder(c, p, b.order)
			}
		}
		for range r.IntN(3000) { // the boot
			if c := m.cpus[0]; r.IntN(3) > 0 || len(list) == 0 {
				take(c, uint(r.IntN(1+r.IntN(12))))
			} else {
				drop(c, r.IntN(len(list)))
			}
		}
		p := randomPlan(r, m, 1+r.IntN(8))
		m.divide(t, p)
		free := make([]uint64, p.nodes())
		total := make([]uint64, p.nodes())
		for f := range m.total {
			total[p.node(m.first+f)]++
			if !used[m.first+f] {
				free[p.node(m.first+f)]++
			}
		}
		for i := range free {
			s, ok := ReadNode(m.cpus[0], uint32(i))
			require.True(t, ok)
			require.Equal(t, total[i], s.TotalPages)
			require.Equal(t, free[i], s.FreePages, "node %d, before any CPU has cached", i)
			blocks := s.SinglePages + s.FreshPages
			for order, n := range s.Blocks {
				blocks += n << order
			}
			require.Equal(t, s.FreePages, blocks)
		}
		require.EqualValues(t, int(m.total)-len(used), m.walk(t))

		for step := range 3000 { // CPUs of all nodes
			c := m.cpus[r.IntN(len(m.cpus))]
			switch what := r.IntN(100); {
			case what < 30+45*(step/1000%2):
				for range 1 + r.IntN(60) {
					direct := frames.caching.Load() == 0 && cached(c.ID) == 0
					if take(c, 0) && direct {
						m.checkNearest(t, c, list[len(list)-1].first)
					}
				}
			case what < 80:
				take(c, uint(1+r.IntN(9)))
			case what < 99:
				for range min(len(list), 1+r.IntN(60)) {
					drop(c, r.IntN(len(list)))
				}
			default:
				GiveBack(c)
			}
			require.EqualValues(t, int(m.total)-len(used), m.free())
			if step%1000 == 0 {
				require.Equal(t, m.free(), m.walk(t))
			}
		}
		for _, c := range m.cpus { // to the last frame, of each node
			GiveBack(c)
		}
		for frames.caching.Load() != 0 {
			take(m.cpus[r.IntN(len(m.cpus))], 0)
		}
		for _, c := range m.cpus {
			GiveBack(c)
		}
		for c := m.cpus[r.IntN(len(m.cpus))]; take(c, 0); c = m.cpus[r.IntN(len(m.cpus))] {
			m.checkNearest(t, c, list[len(list)-1].first)
		}
		require.Zero(t, m.walk(t))
		require.Len(t, used, int(m.total))
		for len(list) > 0 {
			drop(m.cpus[r.IntN(len(m.cpus))], r.IntN(len(list)))
		}
		require.EqualValues(t, m.total, m.walk(t))
		for _, c := range m.cpus {
			GiveBack(c)
		}
		for i := range total {
			s, _ := ReadNode(m.cpus[0], uint32(i))
			require.Equal(t, total[i], s.FreePages)
		}
	}
}

// checkNearest fails if a node that is nearer to the CPU than a frame has free frames.
func (m *machine) checkNearest(t *testing.T, c *percpu.CPU, f uint32) {
	for _, node := range m.plan.nearest(c) {
		if uint32(node) == m.plan.node(f) {
			return
		}
		if n := zoneAt(uint32(node)).unused.Load(); n != 0 {
			require.Fail(t, "a nearer node has frames", "node %d has %d", node, n)
		}
	}
	require.Fail(t, "a frame of no node")
}

// A CPU that allocates and frees caches frames of its own node alone, as long as there are some, though it frees
// frames of others too. When its node has none it gets others, and its own again when those are back.
func TestCachesHaveOwnFrames(t *testing.T) {
	m := newMachine(t, 40*wordsPerPage, 2000)
	p := &plan{starts: []abi.NodeStart{{}, {Frame: m.first + 20*wordsPerPage, Node: 1}}, order: []uint8{0, 1, 1, 0}}
	m.divide(t, p)
	a, b := m.cpus[0], m.cpus[1]
	take := func(c *percpu.CPU, n int) (list []PhysAddr, own int) {
		for range n {
			f, ok := AllocFrame(c)
			require.True(t, ok)
			list = append(list, f)
			if p.node(uint32(f>>12)) == uint32(c.Home-1) {
				own++
			}
		}
		return list, own
	}
	first, own := take(a, 3000)
	require.Equal(t, 3000, own)
	for _, f := range first {
		FreeFrame(b, f) // they are node 0's, so b does not allocate them
		if p, ok := AllocFrame(b); ok {
			require.EqualValues(t, 1, m.plan.node(uint32(p>>12)))
			FreeFrame(b, p)
		}
	}
	first, own = take(a, 20*wordsPerPage+1000) // more than node 0 has
	require.InDelta(t, 20*wordsPerPage, own, float64(cached(b.ID)), "all of node 0")
	frames.ahead = 500
	require.Equal(t, 500, clearAll(b))
	require.Zero(t, clearAll(a), "pages of node 1 are not cleared ahead")
	for _, f := range first[:5000] {
		FreeFrame(a, f)
	}
	_, own = take(a, 4000)
	require.GreaterOrEqual(t, own, 4000-int(frames.full), "own frames again, after those in the cache")
}

// A plan that leaves out frames or nodes, or divides a page of the frame table, is refused, and all stays as it is.
func TestPlansThatAreRefused(t *testing.T) {
	unit := uint32(wordsPerPage)
	for name, p := range map[string]*plan{
		"no frame 0":     {starts: []abi.NodeStart{{Frame: unit}}, order: []uint8{0}},
		"no such node":   {starts: []abi.NodeStart{{Node: 1}}, order: []uint8{0}},
		"part of a page": {starts: []abi.NodeStart{{}, {Frame: unit + 1}}, order: []uint8{0}},
		"descending":     {starts: []abi.NodeStart{{}, {Frame: 2 * unit}, {Frame: unit}}, order: []uint8{0}},
		"twice":          {starts: []abi.NodeStart{{}, {Frame: unit}, {Frame: unit}}, order: []uint8{0}},
		"not itself":     {starts: []abi.NodeStart{{}}, order: []uint8{1, 0, 1, 0}},
		"a node twice":   {starts: []abi.NodeStart{{}}, order: []uint8{0, 1, 2, 1, 2, 2, 2, 1, 0}},
		"a wrong number": {starts: []abi.NodeStart{{}}, order: []uint8{0, 2, 1, 0}},
	} {
		t.Run(name, func(t *testing.T) {
			m := newMachine(t, 5000, 600)
			require.False(t, InitNodes(m.cpus[0], p.raw()))
			require.False(t, HasNodes())
			require.EqualValues(t, 5000, m.walk(t))
		})
	}
}
