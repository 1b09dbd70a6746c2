package acpi

// MCFG says where the configuration space of PCI Express is in memory (PCI Firmware
// Specification 3.3, "MCFG Table Description").
type MCFG struct {
	Segments []Segment `json:"segments"`
}

// Segment is one allocation: 1 MiB of configuration space for each bus, from the
// one for bus 0 at Base on.
type Segment struct {
	Base     uint64 `json:"base"`
	Segment  uint16 `json:"segment"`
	StartBus uint8  `json:"start_bus"`
	EndBus   uint8  `json:"end_bus"`
}

const (
	mcfgEntries   = headerLength + 8
	segmentLength = 16
)

// Valid reports whether the buses are in order and the space fits the address space.
func (s Segment) Valid() bool {
	return s.StartBus <= s.EndBus && s.Base <= ^uint64(0)-(uint64(s.EndBus)+1)<<20
}

// ParseMCFG decodes a table whose header has been checked. It stops after the last
// whole entry, with an error if bytes are left.
func ParseMCFG(t Table) (*MCFG, error) {
	b, err := body(t, "MCFG", mcfgEntries)
	if err != nil {
		return nil, err
	}
	m := &MCFG{Segments: room[Segment]((len(b) - mcfgEntries) / segmentLength)}
	off := mcfgEntries
	for ; off+segmentLength <= len(b); off += segmentLength {
		e := b[off:]
		m.Segments = append(m.Segments, Segment{u64(e), u16(e[8:]), e[10], e[11]})
	}
	if off != len(b) {
		return m, &TableError{"MCFG", off, ErrShort}
	}
	return m, nil
}
