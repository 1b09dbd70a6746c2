//go:build explore

package intr

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"muster/kernel/abi"
	"muster/kernel/acpi"
	"muster/kernel/apic"
)

// chips is the I/O APICs of a machine: the entries of each, by its place in the list.
type chips struct {
	list    []ioapic
	entries [][][2]uint32
}

// newChips makes the I/O APICs that a topology lists. Each has as many inputs as there are
// numbers up to the next one, and some more, which the next one has too.
func newChips(t *testing.T, top *acpi.Topology) *chips {
	s := &chips{list: make([]ioapic, len(top.IOAPICs)), entries: make([][][2]uint32, len(top.IOAPICs))}
	apic.IORead = func(base uintptr, r uint32) uint32 {
		e := s.entries[base-1]
		if r == 1 {
			return 0x20 | uint32(len(e)-1)<<16
		}
		return e[(r-0x10)/2][r&1]
	}
	apic.IOWrite = func(base uintptr, r, v uint32) { s.entries[base-1][(r-0x10)/2][r&1] = v }
	ioapics = nil
	for i := len(s.list) - 1; i >= 0; i-- { // in any order
		inputs := uint32(24)
		if i+1 < len(s.list) {
			inputs = min(top.IOAPICs[i+1].GSIBase-top.IOAPICs[i].GSIBase+8, maxInputs)
		}
		s.entries[i] = make([][2]uint32, inputs)
		for n := range s.entries[i] {
			s.entries[i][n][0] = 0x31 // what a firmware has left: not masked
		}
		s.list[i].Init(&memory.cpus[0], uintptr(i+1), top.IOAPICs[i].ID, top.IOAPICs[i].GSIBase)
		s.list[i].next, ioapics = ioapics, &s.list[i]
	}
	return s
}

// open returns the entries that are not masked, as GSI and low word without the vector.
func (s *chips) open() (open []string) {
	for i := range s.entries {
		for n, e := range s.entries[i] {
			if e[0]&bitMasked == 0 {
				open = append(open, fmt.Sprintf("%d: %#x", s.list[i].GSIBase+uint32(n), e[0]&^0xff))
			}
		}
	}
	return open
}

// wiring returns what open should say of the ISA interrupts of a machine, by the tables
// alone.
func wiring(m *acpi.MADT, isa []uint8) (open []string) {
	for _, irq := range isa {
		gsi, low := uint32(irq), uint32(0)
		for i := len(m.Overrides) - 1; i >= 0; i-- { // the first one holds
			o := m.Overrides[i]
			if o.Bus != 0 || o.Source != irq {
				continue
			}
			gsi, low = o.GSI, 0
			if o.Flags&3 == 3 {
				low |= 1 << 13
			}
			if o.Flags>>2&3 == 3 {
				low |= bitLevel
			}
		}
		open = append(open, fmt.Sprintf("%d: %#x", gsi, low))
	}
	return open
}

// On every machine of the corpus all inputs are masked until a driver claims one, and then
// that input, and no other, is open with the polarity and the trigger of the table.
func TestCorpusLines(t *testing.T) {
	dir := os.Getenv("MUSTER_ACPI_CORPUS")
	if dir == "" {
		dir = filepath.Join("..", "..", "..", "shared", "acpi-corpus")
	}
	files, err := filepath.Glob(filepath.Join(dir, "machines", "*", "APIC.bin"))
	require.NoError(t, err)
	if len(files) == 0 {
		t.Skipf("no corpus of firmware tables in %s; MUSTER_ACPI_CORPUS names its folder", dir)
	}
	several := 0
	for _, file := range files {
		t.Run(filepath.Base(filepath.Dir(file)), func(t *testing.T) {
			data, err := os.ReadFile(file)
			require.NoError(t, err)
			table, err := acpi.NewTable(data, 0)
			require.NoError(t, err)
			m, err := acpi.ParseMADT(table)
			require.NoError(t, err)
			top, _ := acpi.NewTopology(acpi.Sources{MADT: m})
			if len(top.IOAPICs) > 1 {
				several++
			}
			newBoard(t, 0x20)
			s := newChips(t, top)
			require.Empty(t, s.open(), "all masked")
			isa := []uint8{1, 4, 8, 9}
			want := wiring(m, isa)
			for i, irq := range isa {
				l := m.ISA(irq)
				r := abi.IRQRequest{GSI: l.GSI, Flags: acpi.LineFlags(l.Low, l.Level), Action: abi.ActionNothing}
				_, e := bind(&memory.cpus[0], &r, nil)
				require.Zero(t, e, "ISA interrupt %d", irq)
				require.ElementsMatch(t, want[:i+1], s.open())
			}
			for _, n := range top.NMIs {
				r := abi.IRQRequest{GSI: n.GSI, Flags: abi.IRQNMI | n.Flags.IRQ(), Action: abi.ActionNothing}
				_, e := bind(&memory.cpus[0], &r, nil)
				require.Zero(t, e, "NMI source")
				require.Contains(t, fmt.Sprint(s.open()), fmt.Sprintf("%d: 0x%x", n.GSI, 0x400|n.Flags.IRQ()&abi.IRQLow<<13))
			}
			for _, c := range top.CPUs {
				require.Equal(t, localPins(m, c.UID), c.Pins, "CPU %d", c.CPU)
			}
		})
	}
	t.Logf("%d machines, %d of them with several I/O APICs", len(files), several)
	require.Positive(t, several)
}

// localPins returns the pins of a CPU that are NMIs, by the table alone: entries for its
// number and for all.
func localPins(m *acpi.MADT, uid uint32) (pins uint32) {
	for _, n := range m.LocalNMIs {
		if n.LINT > 1 || n.UID != uid && n.UID != 0xffffffff {
			continue
		}
		b := uint32(0x80)
		if n.Flags&3 == 3 {
			b |= abi.IRQLow
		}
		if n.Flags>>2&3 == 3 {
			b |= abi.IRQLevel
		}
		pins |= b << (8 * n.LINT)
	}
	return pins
}

// Negative control: a line whose polarity is the wrong one is seen.
func TestWrongPolarityIsSeen(t *testing.T) {
	newBoard(t, 0x20)
	m := &acpi.MADT{IOAPICs: []acpi.IOAPIC{{ID: 1, Addr: 1, GSIBase: 24}, {ID: 0, Addr: 2}}, Overrides: []acpi.Override{{Source: 9, GSI: 25, Flags: 0xf}}}
	top, problems := acpi.NewTopology(acpi.Sources{MADT: m})
	require.Len(t, top.IOAPICs, 2, "%v", problems)
	s := newChips(t, top)
	l := m.ISA(9)
	_, e := bind(&memory.cpus[0], &abi.IRQRequest{GSI: l.GSI, Flags: acpi.LineFlags(!l.Low, l.Level), Action: abi.ActionNothing}, nil)
	require.Zero(t, e)
	require.NotEqual(t, wiring(m, []uint8{9}), s.open())
	require.Equal(t, []string{"25: 0x8000"}, s.open(), "at the second I/O APIC, though the first has an input with that number")
}

// An NMI source has no vector, goes to the CPU that Move names, and cannot be claimed twice.
func TestNMISource(t *testing.T) {
	b := newBoard(t, 0x20)
	c := &memory.cpus[0]
	r := abi.IRQRequest{GSI: gsiBase + input, Flags: abi.IRQNMI | abi.IRQLow | abi.IRQLevel, Action: abi.ActionNothing}
	n, e := bind(c, &r, nil)
	require.Zero(t, e)
	require.Equal(t, [2]uint32{0x2400, 0}, b.entries[input], "delivery mode NMI, active low, edge")
	_, e = bind(c, &abi.IRQRequest{GSI: gsiBase + input}, nil)
	require.NotZero(t, e)
	_, result := Move(c, nil, int(n), 1, false)
	require.Zero(t, result)
	require.Equal(t, [2]uint32{0x2400, 1 << 24}, b.entries[input])
	require.False(t, lines[n].leaving)
	for i := range deviceVectors {
		require.Zero(t, memory.tables[0].line[i].Load()+memory.tables[1].line[i].Load())
	}
}
