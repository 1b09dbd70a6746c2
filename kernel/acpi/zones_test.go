package acpi

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"muster/kernel/abi"
)

const mib = 1 << 20

// nodesOf makes a topology of nodes whose memory is ranges in MiB: the first one, and how many.
func nodesOf(ranges ...[][2]uint64) *Topology {
	t := &Topology{}
	for _, list := range ranges {
		n := Node{}
		for _, r := range list {
			n.Memory = append(n.Memory, Range{Base: r[0] * mib, Size: r[1] * mib})
		}
		t.Nodes = append(t.Nodes, n)
	}
	return t
}

// Each range of the memory is its node's; what no node claims is of the node below. A boundary within a unit, of 4 MiB, is
// moved to its end.
func TestZones(t *testing.T) {
	const unit = abi.NodeUnit // 4 MiB
	for name, tc := range map[string]struct {
		top  *Topology
		want []abi.NodeStart
	}{
		"none":          {&Topology{}, []abi.NodeStart{{}}},
		"no memory":     {nodesOf(nil, nil), []abi.NodeStart{{}}},
		"one":           {nodesOf([][2]uint64{{0, 512}}), []abi.NodeStart{{}}},
		"two":           {nodesOf([][2]uint64{{1, 255}}, [][2]uint64{{256, 256}}), []abi.NodeStart{{}, {Frame: 64 * unit, Node: 1}}},
		"in turns":      {nodesOf([][2]uint64{{0, 8}, {16, 8}}, [][2]uint64{{8, 8}, {24, 8}}), []abi.NodeStart{{}, {Frame: 2 * unit, Node: 1}, {Frame: 4 * unit, Node: 0}, {Frame: 6 * unit, Node: 1}}},
		"joined":        {nodesOf([][2]uint64{{0, 8}, {8, 8}, {32, 8}}, [][2]uint64{{64, 8}}), []abi.NodeStart{{}, {Frame: 16 * unit, Node: 1}}},
		"second first":  {nodesOf([][2]uint64{{100, 8}}, [][2]uint64{{64, 8}}), []abi.NodeStart{{Frame: 0, Node: 1}, {Frame: 25 * unit, Node: 0}}},
		"within a unit": {nodesOf([][2]uint64{{0, 9}}, [][2]uint64{{9, 8}}), []abi.NodeStart{{}, {Frame: 3 * unit, Node: 1}}},
		"tiny":          {nodesOf([][2]uint64{{0, 9}}, [][2]uint64{{9, 1}}, [][2]uint64{{10, 90}}), []abi.NodeStart{{}, {Frame: 3 * unit, Node: 2}}},
		"beyond RAM":    {nodesOf([][2]uint64{{0, 9}}, [][2]uint64{{1 << 40, 1}}, [][2]uint64{{1 << 41, 1}}), []abi.NodeStart{{}, {Frame: lastFrame, Node: 2}}},
	} {
		require.Equal(t, tc.want, tc.top.Zones(), name)
	}
}

func TestNearest(t *testing.T) {
	top := nodesOf(nil, nil, nil)
	require.Equal(t, []uint8{0, 1, 2, 1, 2, 0, 2, 0, 1}, top.Nearest(), "without distances")
	top.Nodes[0].Distances = []uint8{10, 31, 20}
	top.Nodes[1].Distances = []uint8{20, 10, 20}
	top.Nodes[2].Distances = []uint8{5, 255, 10}
	require.Equal(t, []uint8{0, 2, 1, 1, 2, 0, 2, 0, 1}, top.Nearest(), "each is nearest to itself, whatever the table says")
	require.Empty(t, (&Topology{}).Nearest())
}

func TestUnclaimed(t *testing.T) {
	region := func(from, n uint64) abi.Region { return abi.Region{Start: from * mib, Length: n * mib} }
	top := nodesOf([][2]uint64{{0, 8}, {16, 8}}, [][2]uint64{{10, 2}, {10, 1}})
	for _, tc := range []struct {
		memory       []abi.Region
		bytes, first uint64
	}{
		{nil, 0, 0},
		{[]abi.Region{region(0, 8), region(11, 1), region(17, 3)}, 0, 0},
		{[]abi.Region{region(0, 32)}, 2 + 4 + 8, 8},
		{[]abi.Region{region(1, 3), region(9, 2), region(100, 5)}, 1 + 5, 9},
	} {
		bytes, first := top.Unclaimed(tc.memory)
		require.Equal(t, [2]uint64{tc.bytes * mib, tc.first * mib}, [2]uint64{bytes, first}, "%v", tc.memory)
	}
	bytes, _ := (&Topology{Nodes: []Node{{Memory: []Range{{Base: 0, Size: ^uint64(0)}}}}}).Unclaimed([]abi.Region{region(0, 4096)})
	require.Zero(t, bytes)
}

// Whatever an SRAT says, the zones are a division that the core takes: they begin with frame 0, at whole units, in
// ascending order, and each row of nodes has each one once, itself first.
func TestZonesOfAnySRAT(t *testing.T) {
	for seed := range uint64(2000) {
		r := rand.New(rand.NewPCG(5, seed))
		srat := &SRAT{}
		for range r.IntN(20) {
			domain := r.Uint32N(6)
			if r.IntN(4) == 0 {
				domain = r.Uint32()
			}
			shift := r.UintN(64)
			srat.Memory = append(srat.Memory, MemoryAffinity{Domain: domain, Base: r.Uint64() >> shift, Size: r.Uint64() >> (r.UintN(64)), Enabled: r.IntN(8) > 0})
			srat.CPUs = append(srat.CPUs, CPUAffinity{Domain: domain ^ r.Uint32N(2), APICID: r.Uint32N(9), Enabled: r.IntN(8) > 0})
		}
		top, _ := NewTopology(Sources{MADT: &MADT{CPUs: enabled(0, 1, 2)}, SRAT: srat, SLIT: &SLIT{Localities: 2, Distances: []uint8{10, 30, 20, 10}}})
		checkZones(t, top)
	}
}

func checkZones(t *testing.T, top *Topology) {
	t.Helper()
	starts, order, n := top.Zones(), top.Nearest(), len(top.Nodes)
	require.Zero(t, starts[0].Frame)
	for i, s := range starts {
		require.Zero(t, s.Frame%abi.NodeUnit)
		require.Less(t, s.Node, uint32(max(n, 1)))
		require.True(t, i == 0 || s.Frame > starts[i-1].Frame)
	}
	require.Len(t, order, n*n)
	for i := range n {
		row := slices.Clone(order[i*n:][:n])
		require.EqualValues(t, i, row[0])
		slices.Sort(row)
		require.Len(t, slices.Compact(row), n)
	}
}
