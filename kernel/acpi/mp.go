package acpi

import (
	"bytes"
	"slices"
)

// MP is the older description of CPUs and interrupts, for machines without ACPI
// (Intel MultiProcessor Specification 1.4, "MP Configuration Table").
type MP struct {
	Addr      uint64 // of the floating pointer
	OEM       string
	LocalAPIC uint32
	IMCR      bool // the interrupt mode must be switched by the IMCR
	CPUs      []MPCPU
	Buses     []MPBus
	IOAPICs   []MPIOAPIC
	Lines     []MPLine // interrupts of I/O APICs
	Local     []MPLine // of local APICs
}

// MPCPU is a processor entry.
type MPCPU struct {
	APICID  uint8
	Enabled bool
	Boot    bool
}

// MPBus is a bus entry.
type MPBus struct {
	ID   uint8
	Type string // "ISA", "PCI"
}

// MPIOAPIC is an I/O APIC entry.
type MPIOAPIC struct {
	ID      uint8
	Enabled bool
	Addr    uint32
}

// MPLine is an interrupt assignment: source to pin.
type MPLine struct {
	Kind  uint8 // MPVectored and so on
	Flags INTI
	Bus   uint8
	IRQ   uint8
	APIC  uint8 // 0xff for all
	Pin   uint8
}

// Kinds of MPLine.
const (
	MPVectored = 0
	MPNMI      = 1
	MPSMI      = 2
	MPExtINT   = 3
)

const (
	mpPointerLength = 16
	mpHeaderLength  = 44
	mpBaseMemory    = 0x413 // KiB of base memory
	mpBiosStart     = 0xf0000
	mpBiosEnd       = 0x100000

	mpCPU    = 0
	mpBus    = 1
	mpIOAPIC = 2
	mpLine   = 3
	mpLocal  = 4

	defaultLocalAPIC = 0xfee00000
	defaultIOAPIC    = 0xfec00000
)

var (
	mpSignature     = []byte("_MP_")
	mpTableSig      = []byte("PCMP")
	mpEntrySizes    = [5]int{mpCPU: 20, mpBus: 8, mpIOAPIC: 8, mpLine: 8, mpLocal: 8}
	allLocalAPICs   = uint8(0xff)
	mpDefaultMaxima = uint8(7)
)

// FindMP looks for the floating pointer where the specification places it: in the
// first KiB of the extended BIOS data area, in the last KiB of base memory, and
// from 0xf0000 on. Then it reads the table that the pointer names.
func FindMP(mem Memory) (*MP, error) {
	type area struct {
		from uint64
		n    int
	}
	var areas []area
	if b, err := mem(ebdaPointer, 2); err == nil && len(b) >= 2 {
		if at := uint64(u16(b)) << 4; at >= 0x400 && at < 0xa0000 {
			areas = append(areas, area{at, ebdaSearch})
		}
	}
	if b, err := mem(mpBaseMemory, 2); err == nil && len(b) >= 2 {
		if kib := uint64(u16(b)); kib >= 2 && kib <= 640 {
			areas = append(areas, area{(kib - 1) << 10, 1 << 10})
		}
	}
	areas = append(areas, area{mpBiosStart, mpBiosEnd - mpBiosStart})
	missing := &TableError{"_MP_", 0, ErrMissing}
	var broken error
	for _, a := range areas {
		b, err := mem(a.from, a.n)
		if err != nil {
			continue
		}
		for off := 0; off+mpPointerLength <= len(b); off += 16 {
			p := b[off : off+mpPointerLength]
			if !bytes.Equal(p[:4], mpSignature) || p[8] != 1 || sum(p) != 0 {
				continue
			}
			m, err := readMP(mem, p)
			if err == nil {
				m.Addr = a.from + uint64(off)
				return m, nil
			}
			if broken == nil {
				broken = err
			}
		}
	}
	if broken != nil {
		return nil, broken
	}
	return nil, missing
}

// readMP follows a floating pointer.
func readMP(mem Memory, p []byte) (*MP, error) {
	imcr := p[12]&0x80 != 0
	if kind := p[11]; kind != 0 {
		if kind > mpDefaultMaxima {
			return nil, &TableError{"_MP_", 11, ErrValue}
		}
		return defaultMP(imcr), nil
	}
	addr := uint64(u32(p[4:]))
	if addr == 0 {
		return nil, &TableError{"_MP_", 4, ErrMissing}
	}
	h, err := mem(addr, mpHeaderLength)
	if err != nil || len(h) < mpHeaderLength {
		return nil, &TableError{"PCMP", 0, ErrRead}
	}
	n := int(u16(h[4:]))
	if n < mpHeaderLength {
		return nil, &TableError{"PCMP", 4, ErrLength}
	}
	b, err := mem(addr, n)
	if err != nil || len(b) < n {
		return nil, &TableError{"PCMP", 4, ErrRead}
	}
	m, err := ParseMP(b)
	if m != nil {
		m.IMCR = imcr
	}
	return m, err
}

// ParseMP decodes a configuration table. Unlike those of ACPI tables, its entries
// have no length field, so an entry of an unknown type makes the rest unreadable.
func ParseMP(b []byte) (*MP, error) {
	if len(b) < mpHeaderLength {
		return nil, &TableError{"PCMP", len(b), ErrShort}
	}
	if !bytes.Equal(b[:4], mpTableSig) {
		return nil, &TableError{"PCMP", 0, ErrSignature}
	}
	n := int(u16(b[4:]))
	if n < mpHeaderLength || n > len(b) {
		return nil, &TableError{"PCMP", 4, ErrLength}
	}
	if b = b[:n]; sum(b) != 0 {
		return nil, &TableError{"PCMP", 7, ErrChecksum}
	}
	m := &MP{OEM: text(b[8:16]), LocalAPIC: u32(b[36:])}
	off := mpHeaderLength
	for range u16(b[34:]) {
		if off >= len(b) {
			return nil, &TableError{"PCMP", off, ErrShort}
		}
		kind := b[off]
		if int(kind) >= len(mpEntrySizes) {
			return nil, &TableError{"PCMP", off, ErrValue}
		}
		size := mpEntrySizes[kind]
		if off+size > len(b) {
			return nil, &TableError{"PCMP", off, ErrShort}
		}
		m.entry(kind, b[off:off+size])
		off += size
	}
	return m, nil
}

func (m *MP) entry(kind uint8, e []byte) {
	switch kind {
	case mpCPU:
		m.CPUs = append(m.CPUs, MPCPU{e[1], e[3]&1 != 0, e[3]&2 != 0})
	case mpBus:
		m.Buses = append(m.Buses, MPBus{e[1], text(e[2:8])})
	case mpIOAPIC:
		m.IOAPICs = append(m.IOAPICs, MPIOAPIC{e[1], e[3]&1 != 0, u32(e[4:])})
	case mpLine:
		m.Lines = append(m.Lines, mpLineOf(e))
	case mpLocal:
		m.Local = append(m.Local, mpLineOf(e))
	}
}

func mpLineOf(e []byte) MPLine { return MPLine{e[1], INTI(u16(e[2:])), e[4], e[5], e[6], e[7]} }

// defaultMP is what a default configuration number stands for: two CPUs, one I/O
// APIC, one bus ("Default Configurations").
func defaultMP(imcr bool) *MP {
	m := &MP{OEM: "default", LocalAPIC: defaultLocalAPIC, IMCR: imcr,
		CPUs: []MPCPU{{0, true, true}, {1, true, false}}, Buses: []MPBus{{0, "ISA"}},
		IOAPICs: []MPIOAPIC{{2, true, defaultIOAPIC}},
		Local:   []MPLine{{Kind: MPNMI, APIC: allLocalAPICs, Pin: 1}}}
	m.Lines = append(m.Lines, MPLine{Kind: MPVectored, IRQ: 0, APIC: 2, Pin: 2})
	return m
}

// MADT returns the same description in the form of an MADT, so that the rest of the
// kernel has one form only. Global system interrupts are numbered through the I/O
// APICs in order; inputs returns the number of inputs of the one at an address.
func (m *MP) MADT(inputs func(addr uint32) int) *MADT {
	t := &MADT{LocalAPIC: uint64(m.LocalAPIC), PCATCompat: true}
	for _, c := range m.CPUs {
		t.CPUs = append(t.CPUs, CPU{APICID: uint32(c.APICID), UID: uint32(c.APICID), Enabled: c.Enabled})
	}
	base := uint32(0)
	for _, a := range m.IOAPICs {
		if !a.Enabled || a.Addr == 0 {
			continue
		}
		t.IOAPICs = append(t.IOAPICs, IOAPIC{ID: a.ID, Addr: a.Addr, GSIBase: base})
		base += uint32(max(inputs(a.Addr), 1))
	}
	for _, l := range m.Lines {
		gsi, ok := t.gsi(l)
		if !ok {
			continue
		}
		switch {
		case l.Kind == MPNMI:
			t.NMIs = append(t.NMIs, NMISource{gsi, l.Flags})
		case l.Kind == MPVectored && m.isa(l.Bus) && (gsi != uint32(l.IRQ) || l.Flags != 0):
			t.Overrides = append(t.Overrides, Override{Source: l.IRQ, GSI: gsi, Flags: l.Flags})
		}
	}
	for _, l := range m.Local {
		if l.Kind == MPNMI {
			uid := uint32(l.APIC)
			if l.APIC == allLocalAPICs {
				uid = AllCPUs
			}
			t.LocalNMIs = append(t.LocalNMIs, LocalNMI{UID: uid, LINT: l.Pin, Flags: l.Flags})
		}
	}
	return t
}

func (m *MP) isa(bus uint8) bool {
	return slices.ContainsFunc(m.Buses, func(b MPBus) bool { return b.ID == bus && (b.Type == "ISA" || b.Type == "EISA") })
}

// gsi returns the global system interrupt of the pin that a line leads to; "all"
// is the first I/O APIC.
func (m *MADT) gsi(l MPLine) (uint32, bool) {
	for _, a := range m.IOAPICs {
		if a.ID == l.APIC || l.APIC == allLocalAPICs {
			return a.GSIBase + uint32(l.Pin), true
		}
	}
	return 0, false
}
