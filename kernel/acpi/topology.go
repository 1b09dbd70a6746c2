package acpi

import (
	"cmp"
	"errors"
	"fmt"
	"slices"

	"muster/kernel/abi"
	"muster/kernel/percpu"
)

// MaxCPUs is the largest number of CPUs that the kernel records.
const MaxCPUs = percpu.Max

// Processor is a logical CPU.
type Processor struct {
	CPU int `json:"cpu"` // dense number, the boot CPU is 0; -1 for one that is not enabled
	abi.Processor
	Enabled       bool   `json:"enabled"`
	OnlineCapable bool   `json:"online_capable"`
	Package       uint32 `json:"package"`
	Die           uint32 `json:"die"`    // within the package
	Core          uint32 `json:"core"`   // within the die
	Thread        uint32 `json:"thread"` // within the core
	Node          int    `json:"node"`   // index into Nodes, -1 without an entry in the SRAT
}

// Node is a proximity domain with CPUs or memory.
type Node struct {
	Domain    uint32  `json:"domain"`
	Memory    []Range `json:"memory"`
	Distances []uint8 `json:"distances"` // to each node, 10 for itself; nil where the firmware says nothing
}

// Range is physical memory of a node.
type Range struct {
	Base         uint64 `json:"base"`
	Size         uint64 `json:"size"`
	HotPluggable bool   `json:"hot_pluggable"`
	NonVolatile  bool   `json:"non_volatile"`
}

// Topology lists the parts of the machine.
type Topology struct {
	CPUs      []Processor `json:"cpus"`
	Standby   []Processor `json:"standby"` // not enabled, but may be later
	IOAPICs   []IOAPIC    `json:"ioapics"` // by GSI base
	Overrides []Override  `json:"overrides"`
	NMIs      []NMISource `json:"nmi_sources"`
	LocalNMIs []LocalNMI  `json:"local_nmis"`
	LocalAPIC uint64      `json:"local_apic_address"` // where the CPU has it
	BusHz     uint64      `json:"bus_hz"`             // of the local APIC's timer, 0 if nothing tells
	Levels    Levels      `json:"levels"`
	Nodes     []Node      `json:"nodes"`
}

// Sources is what a topology is made from. SRAT and SLIT may be nil.
type Sources struct {
	MADT     *MADT
	SRAT     *SRAT
	SLIT     *SLIT
	Levels   Levels
	Boot     uint32 // APIC id of the boot CPU
	APICBase uint64 // address in the boot CPU's IA32_APIC_BASE
	BusHz    uint64
}

// Problems with which a topology can still be made.
var (
	ErrTooMany   = errors.New("more CPUs than the kernel can use")
	ErrUnlisted  = errors.New("the boot CPU is not listed")
	ErrElsewhere = errors.New("local APIC address differs from IA32_APIC_BASE: using the register")
	ErrOverlap   = errors.New("ranges overlap")
)

// NewTopology combines the tables. problems lists what was left out or decided
// against a table; the topology is usable all the same. The boot CPU has number 0,
// the others follow in the order of the table.
func NewTopology(s Sources) (t *Topology, problems []error) {
	b := &builder{Sources: s, t: &Topology{Levels: s.Levels, BusHz: s.BusHz, LocalAPIC: s.APICBase}}
	b.nodes()
	b.cpus()
	b.interrupts()
	return b.t, b.problems
}

type builder struct {
	Sources
	t        *Topology
	problems []error
	node     map[uint32]int // by domain
	home     map[uint32]int // node by APIC id
}

func (b *builder) complain(table string, err error, format string, args ...any) {
	b.problems = append(b.problems, fmt.Errorf("acpi: %s: %w: %s", table, err, fmt.Sprintf(format, args...)))
}

// cpus lists each enabled CPU once, however many entries it has, and no fillers.
func (b *builder) cpus() {
	all := b.MADT.CPUs
	b.t.CPUs = make([]Processor, 1, len(all)+1)
	b.t.CPUs[0] = b.processor(CPU{APICID: b.Boot, Enabled: true})
	seen := make(map[uint32]bool, len(all))
	listed, left := false, 0
	for _, c := range all {
		if !c.Enabled || c.filler() || seen[c.APICID] {
			continue
		}
		seen[c.APICID] = true
		p := b.processor(c)
		switch {
		case c.APICID == b.Boot:
			b.t.CPUs[0], listed = p, true
		case len(b.t.CPUs) == MaxCPUs:
			left++
		default:
			p.CPU = len(b.t.CPUs)
			b.t.CPUs = append(b.t.CPUs, p)
		}
	}
	if left > 0 {
		b.complain("APIC", ErrTooMany, "%d CPUs, of which %d are left out", MaxCPUs+left, left)
	}
	if !listed {
		b.complain("APIC", ErrUnlisted, "APIC ID %d", b.Boot)
	}
	for _, c := range all {
		if c.Enabled || !c.OnlineCapable || c.filler() || seen[c.APICID] || len(b.t.Standby) == MaxCPUs {
			continue
		}
		seen[c.APICID] = true
		p := b.processor(c)
		p.CPU = -1
		b.t.Standby = append(b.t.Standby, p)
	}
}

func (c CPU) filler() bool {
	return c.APICID == filler32 || !c.X2APIC && c.APICID == filler8
}

func (b *builder) processor(c CPU) Processor {
	l := b.Levels
	field := func(low, high uint8) uint32 { return uint32(uint64(c.APICID) >> low & (1<<(max(high, low)-low) - 1)) }
	record := abi.Processor{APICID: c.APICID, UID: c.UID, Pins: pins(b.MADT.LocalNMIs, c.UID)}
	p := Processor{Processor: record, Enabled: c.Enabled, OnlineCapable: c.OnlineCapable,
		Thread: field(0, l.Core), Core: field(l.Core, l.Die), Die: field(l.Die, l.Package), Package: field(l.Package, 32), Node: -1}
	p.Shifts = [3]uint8{l.Core, l.Die, l.Package}
	if n, ok := b.home[c.APICID]; ok {
		p.Node = n
		if n < 255 {
			p.Home = uint8(n + 1)
		}
	}
	return p
}

// nodes numbers the domains that have CPUs or memory, in ascending order.
func (b *builder) nodes() {
	if b.SRAT == nil {
		return
	}
	var domains []uint32
	for _, c := range b.SRAT.CPUs {
		if c.Enabled {
			domains = append(domains, c.Domain)
		}
	}
	for _, m := range b.SRAT.Memory {
		if m.Enabled && m.Size != 0 {
			domains = append(domains, m.Domain)
		}
	}
	slices.Sort(domains)
	domains = slices.Compact(domains)
	b.node, b.home = make(map[uint32]int, len(domains)), make(map[uint32]int, len(b.SRAT.CPUs))
	b.t.Nodes = room[Node](len(domains))
	for i, d := range domains {
		b.node[d] = i
		b.t.Nodes = append(b.t.Nodes, Node{Domain: d, Distances: b.distances(d, domains)})
	}
	for _, c := range b.SRAT.CPUs {
		if _, twice := b.home[c.APICID]; c.Enabled && !twice {
			b.home[c.APICID] = b.node[c.Domain]
		}
	}
	b.memory()
}

// distances returns a row of the SLIT, which identifies domains by their number.
func (b *builder) distances(from uint32, domains []uint32) []uint8 {
	if b.SLIT == nil || uint64(from) >= uint64(b.SLIT.Localities) {
		return nil
	}
	row := make([]uint8, len(domains))
	for i, to := range domains {
		if uint64(to) >= uint64(b.SLIT.Localities) {
			return nil
		}
		row[i] = b.SLIT.Distance(int(from), int(to))
	}
	return row
}

// memory gives each node its ranges. Ranges that wrap around are left out, and
// ranges that two nodes claim are left out too.
func (b *builder) memory() {
	list := room[MemoryAffinity](len(b.SRAT.Memory))
	for _, m := range b.SRAT.Memory {
		switch {
		case !m.Enabled || m.Size == 0:
		case m.last() < m.Base:
			b.complain("SRAT", ErrValue, "memory of domain %d from %#x on, %#x bytes", m.Domain, m.Base, m.Size)
		default:
			list = append(list, m)
		}
	}
	slices.SortStableFunc(list, func(x, y MemoryAffinity) int { return cmp.Compare(x.Base, y.Base) })
	for len(list) > 0 {
		n, domain, mixed := 1, list[0].Domain, false // the ranges list[:n] overlap
		for last := list[0].last(); n < len(list) && list[n].Base <= last; n++ {
			mixed = mixed || list[n].Domain != domain
			last = max(last, list[n].last())
		}
		if mixed {
			b.complain("SRAT", ErrOverlap, "%d of different domains from %#x on", n, list[0].Base)
		} else {
			node := &b.t.Nodes[b.node[domain]]
			for _, m := range list[:n] {
				node.Memory = append(node.Memory, Range{m.Base, m.Size, m.HotPluggable, m.NonVolatile})
			}
		}
		list = list[n:]
	}
}

// last returns the range's last byte.
func (m MemoryAffinity) last() uint64 { return m.Base + (m.Size - 1) }

// minInputs is the smallest number of inputs of an I/O APIC, for which a GSI range
// must have room.
const minInputs = 24

func (b *builder) interrupts() {
	m, t := b.MADT, b.t
	t.Overrides, t.NMIs, t.LocalNMIs = m.Overrides, m.NMIs, m.LocalNMIs
	t.IOAPICs = room[IOAPIC](len(m.IOAPICs))
	type claim struct{ addr, base uint64 } // the claimed address or base, plus 1
	claimed := make(map[claim]bool, 2*len(m.IOAPICs))
	for _, a := range m.IOAPICs {
		switch {
		case a.Addr == 0 || a.GSIBase > ^uint32(0)-(minInputs-1):
			b.complain("APIC", ErrValue, "I/O APIC %d at %#x, GSI base %d", a.ID, a.Addr, a.GSIBase)
		case claimed[claim{addr: uint64(a.Addr) + 1}] || claimed[claim{base: uint64(a.GSIBase) + 1}]:
			b.complain("APIC", ErrOverlap, "I/O APIC %d at %#x, GSI base %d", a.ID, a.Addr, a.GSIBase)
		default:
			claimed[claim{addr: uint64(a.Addr) + 1}] = true
			claimed[claim{base: uint64(a.GSIBase) + 1}] = true
			t.IOAPICs = append(t.IOAPICs, a)
		}
	}
	slices.SortFunc(t.IOAPICs, func(x, y IOAPIC) int { return cmp.Compare(x.GSIBase, y.GSIBase) })
	if m.LocalAPIC != b.APICBase && m.LocalAPIC != 0 && b.APICBase != 0 {
		b.complain("APIC", ErrElsewhere, "%#x, %#x", m.LocalAPIC, b.APICBase)
	}
	if t.LocalAPIC == 0 {
		t.LocalAPIC = m.LocalAPIC
	}
}
