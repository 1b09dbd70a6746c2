package acpi

// SRAT is the system resource affinity table: which CPUs and which memory are
// near each other ("System Resource Affinity Table (SRAT)"). A domain is a
// number, not an index: any 32 bits.
type SRAT struct {
	CPUs    []CPUAffinity    `json:"cpus"`
	Memory  []MemoryAffinity `json:"memory"`
	Unknown int              `json:"unknown_entries"` // of types that are not decoded
}

// CPUAffinity is an entry of type 0 or 2.
type CPUAffinity struct {
	Domain      uint32 `json:"domain"`
	APICID      uint32 `json:"apic_id"`
	SAPICEID    uint8  `json:"sapic_eid"` // type 0
	ClockDomain uint32 `json:"clock_domain"`
	Enabled     bool   `json:"enabled"`
	X2APIC      bool   `json:"x2apic"` // type 2
}

// MemoryAffinity is an entry of type 1: Size bytes of physical memory from Base on.
type MemoryAffinity struct {
	Domain       uint32 `json:"domain"`
	Base         uint64 `json:"base"`
	Size         uint64 `json:"size"`
	Enabled      bool   `json:"enabled"`
	HotPluggable bool   `json:"hot_pluggable"`
	NonVolatile  bool   `json:"non_volatile"`
}

// Entry types and flags.
const (
	sratCPU    = 0
	sratMemory = 1
	sratX2APIC = 2

	sratEntries = 48

	affinityEnabled     = 1 << 0
	affinityHotPlug     = 1 << 1
	affinityNonVolatile = 1 << 2
)

var sratSizes = sizes{sratCPU: 16, sratMemory: 40, sratX2APIC: 24}

// ParseSRAT decodes a table whose header has been checked. It stops at the first
// malformed entry, and returns the entries before it with an error that says where:
// some firmware pads the table with zeros.
func ParseSRAT(t Table) (*SRAT, error) {
	b, err := body(t, "SRAT", sratEntries)
	if err != nil {
		return nil, err
	}
	s := &SRAT{}
	var count [256]int
	err = walk("SRAT", b, sratEntries, &sratSizes, func(_ int, kind uint8, _ []byte) { count[kind]++ })
	s.CPUs = room[CPUAffinity](count[sratCPU] + count[sratX2APIC])
	s.Memory = room[MemoryAffinity](count[sratMemory])
	narrow := t.Revision() < 2 // domains had 8 bits; the other 24 hold anything
	walk("SRAT", b, sratEntries, &sratSizes, func(_ int, kind uint8, e []byte) { s.entry(narrow, kind, e) })
	return s, err
}

func (s *SRAT) entry(narrow bool, kind uint8, e []byte) {
	switch kind {
	case sratCPU:
		domain := uint32(e[2])
		if !narrow {
			domain |= uint32(e[9])<<8 | uint32(u16(e[10:]))<<16
		}
		s.CPUs = append(s.CPUs, CPUAffinity{Domain: domain, APICID: uint32(e[3]), SAPICEID: e[8],
			ClockDomain: u32(e[12:]), Enabled: u32(e[4:])&affinityEnabled != 0})
	case sratX2APIC:
		s.CPUs = append(s.CPUs, CPUAffinity{Domain: u32(e[4:]), APICID: u32(e[8:]),
			ClockDomain: u32(e[16:]), Enabled: u32(e[12:])&affinityEnabled != 0, X2APIC: true})
	case sratMemory:
		domain, flags := u32(e[2:]), u32(e[28:])
		if narrow {
			domain &= 0xff
		}
		s.Memory = append(s.Memory, MemoryAffinity{Domain: domain, Base: u64(e[8:]), Size: u64(e[16:]),
			Enabled: flags&affinityEnabled != 0, HotPluggable: flags&affinityHotPlug != 0, NonVolatile: flags&affinityNonVolatile != 0})
	default:
		s.Unknown++
	}
}
