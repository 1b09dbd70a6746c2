package acpi

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"muster/kernel/abi"
)

func enabled(ids ...uint32) (list []CPU) {
	for i, id := range ids {
		list = append(list, CPU{APICID: id, UID: uint32(i), Enabled: true, X2APIC: id > 254})
	}
	return list
}

func apicIDs(list []Processor) (ids []uint32) {
	for _, p := range list {
		ids = append(ids, p.APICID)
	}
	return ids
}

// Each enabled CPU once, the boot CPU first, no fillers.
func TestTopologyCPUs(t *testing.T) {
	m := &MADT{CPUs: []CPU{
		{APICID: 2, UID: 1, Enabled: true}, {APICID: 0, UID: 2, Enabled: true}, {APICID: 2}, {APICID: 4, OnlineCapable: true},
		{APICID: 0xff, Enabled: true}, {APICID: 6},
		{APICID: 2, Enabled: true, X2APIC: true}, {APICID: 255, Enabled: true, X2APIC: true},
		{APICID: 0xffffffff, Enabled: true, X2APIC: true}, {APICID: 4, OnlineCapable: true, X2APIC: true},
	}}
	top, problems := NewTopology(Sources{MADT: m, Boot: 0})
	require.Empty(t, problems)
	require.Equal(t, []uint32{0, 2, 255}, apicIDs(top.CPUs))
	require.Equal(t, Processor{CPU: 1, Processor: abi.Processor{APICID: 2, UID: 1}, Enabled: true, Package: 2, Node: -1}, top.CPUs[1])
	require.Equal(t, []uint32{4}, apicIDs(top.Standby))
	require.Equal(t, -1, top.Standby[0].CPU)
}

func TestTopologyUnlistedBootCPU(t *testing.T) {
	top, problems := NewTopology(Sources{MADT: &MADT{CPUs: enabled(2)}, Boot: 9})
	require.ErrorIs(t, errors.Join(problems...), ErrUnlisted)
	require.Equal(t, []uint32{9, 2}, apicIDs(top.CPUs))
}

func TestTopologyLimit(t *testing.T) {
	m := &MADT{}
	for id := range uint32(5000) {
		m.CPUs = append(m.CPUs, CPU{APICID: id, Enabled: true, X2APIC: true})
	}
	top, problems := NewTopology(Sources{MADT: m, Boot: 4999})
	require.Len(t, top.CPUs, MaxCPUs)
	require.EqualError(t, errors.Join(problems...),
		"acpi: APIC: more CPUs than the kernel can use: 5000 CPUs, of which 904 are left out")
	require.Equal(t, uint32(4999), top.CPUs[0].APICID, "the boot CPU is never left out")
}

// Two packages of two dies of three cores of two threads: ids with gaps.
func TestTopologyLevels(t *testing.T) {
	top, _ := NewTopology(Sources{MADT: &MADT{CPUs: enabled(0, 0b1_1_10_1)}, Levels: Levels{Core: 1, Die: 3, Package: 4}})
	require.Equal(t, Processor{CPU: 1, Processor: abi.Processor{APICID: 0b11101, UID: 1, Shifts: [3]uint8{1, 3, 4}}, Enabled: true, Package: 1, Die: 1, Core: 2, Thread: 1, Node: -1}, top.CPUs[1])
}

func TestTopologyNodes(t *testing.T) {
	srat := &SRAT{
		CPUs: []CPUAffinity{{Domain: 7, APICID: 0, Enabled: true}, {Domain: 0x80000000, APICID: 1, Enabled: true}, {Domain: 3, APICID: 2}},
		Memory: []MemoryAffinity{
			{Domain: 7, Base: 0, Size: 0x1000, Enabled: true}, {Domain: 7, Base: 0x100000, Size: 0x1000, Enabled: true},
			{Domain: 0, Base: 0x2000, Size: 0x1000, Enabled: true, HotPluggable: true},
			{Domain: 7, Base: ^uint64(0) - 5, Size: 100, Enabled: true},        // wraps
			{Domain: 7, Base: 0x200000, Size: 0x3000, Enabled: true},           // two domains
			{Domain: 0, Base: 0x201000, Size: 0x1000, Enabled: true},           // claim this
			{Domain: 7, Base: 0x300000, Size: 0, Enabled: true},                // nothing
			{Domain: 7, Base: ^uint64(0) - 0xfff, Size: 0x1000, Enabled: true}, // the last page
		},
	}
	slit := &SLIT{Localities: 8, Distances: make([]uint8, 64)}
	for i := range slit.Distances {
		slit.Distances[i] = 20
	}
	for i := range 8 {
		slit.Distances[i*9] = 10
	}
	top, problems := NewTopology(Sources{MADT: &MADT{CPUs: enabled(0, 1, 2)}, SRAT: srat, SLIT: slit})
	require.Len(t, problems, 2)
	require.ErrorIs(t, problems[0], ErrValue)
	require.ErrorIs(t, problems[1], ErrOverlap)
	require.Equal(t, []int{1, 2, -1}, []int{top.CPUs[0].Node, top.CPUs[1].Node, top.CPUs[2].Node})
	require.Equal(t, []Range{{0, 0x1000, false, false}, {0x100000, 0x1000, false, false}, {^uint64(0) - 0xfff, 0x1000, false, false}}, top.Nodes[1].Memory)
	require.Equal(t, Node{Domain: 0, Memory: []Range{{0x2000, 0x1000, true, false}}}, top.Nodes[0], "a distance to a domain off the matrix is not known")
	require.Equal(t, uint32(0x80000000), top.Nodes[2].Domain)
}

func TestTopologyDistances(t *testing.T) {
	srat := &SRAT{CPUs: []CPUAffinity{{Domain: 1, APICID: 0, Enabled: true}, {Domain: 2, APICID: 1, Enabled: true}}}
	slit := &SLIT{Localities: 3, Distances: []uint8{10, 20, 20, 20, 10, 31, 20, 32, 10}}
	top, _ := NewTopology(Sources{MADT: &MADT{CPUs: enabled(0, 1)}, SRAT: srat, SLIT: slit})
	require.Equal(t, []uint8{10, 31}, top.Nodes[0].Distances)
	require.Equal(t, []uint8{32, 10}, top.Nodes[1].Distances)
}

func TestTopologyInterrupts(t *testing.T) {
	m := &MADT{LocalAPIC: 0xfee00000, CPUs: enabled(0), IOAPICs: []IOAPIC{
		{1, 0xfec10000, 24}, {0, 0xfec00000, 0}, {2, 0, 48}, {3, 0xfec20000, 0xfffffff0}, {4, 0xfec00000, 72}, {5, 0xfec30000, 24},
	}}
	top, problems := NewTopology(Sources{MADT: m, APICBase: 0xfee10000})
	require.Equal(t, []IOAPIC{{0, 0xfec00000, 0}, {1, 0xfec10000, 24}}, top.IOAPICs)
	require.Equal(t, uint64(0xfee10000), top.LocalAPIC)
	require.Len(t, problems, 5)
	require.ErrorIs(t, problems[4], ErrElsewhere)
	top, problems = NewTopology(Sources{MADT: &MADT{CPUs: enabled(0)}, APICBase: 0xfee00000})
	require.Empty(t, problems, "a table without an address")
	require.Equal(t, uint64(0xfee00000), top.LocalAPIC)
}

// bigMADT lists 288 CPUs, as on machines with x2APIC, and the other usual entries.
func bigMADT() []byte {
	var e []byte
	for id := range 288 {
		if id < 255 {
			e = append(e, 0, 8, byte(id), byte(id), 1, 0, 0, 0)
		} else {
			e = append(e, 9, 16, 0, 0, byte(id), byte(id>>8), 0, 0, 1, 0, 0, 0, byte(id), byte(id>>8), 0, 0)
		}
	}
	e = append(e, 1, 12, 0, 0, 0, 0, 0xc0, 0xfe, 0, 0, 0, 0)
	for _, irq := range []byte{0, 5, 9, 10, 11} {
		e = append(e, 2, 10, 0, irq, irq, 0, 0, 0, 13, 0)
	}
	return madt(append(e, 10, 12, 0, 0, 0xff, 0xff, 0xff, 0xff, 1, 0, 0, 0)...)
}

// One allocation for each list, and one for the value.
func TestMADTAllocations(t *testing.T) {
	tab, err := NewTable(bigMADT(), 0)
	require.NoError(t, err)
	n := testing.AllocsPerRun(100, func() { ParseMADT(tab) })
	require.LessOrEqual(t, n, 5.0, "the MADT, CPUs, I/O APICs, overrides, local NMIs")
}

func BenchmarkMADT288(b *testing.B) {
	tab, err := NewTable(bigMADT(), 0)
	require.NoError(b, err)
	b.ReportAllocs()
	for b.Loop() {
		m, err := ParseMADT(tab)
		if err != nil || len(m.CPUs) != 288 {
			b.Fatal(err)
		}
	}
}
